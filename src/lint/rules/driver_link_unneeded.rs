//! The file has a driver link and never loads the driver.
//!
//! ## Why is this bad
//! It is harmless. If the link was meant for another file (one with a static cudart), that one may
//! lack it.
//!
//! ## Example
//! A program with a driver link that only links to libcudart.so, whose own RUNPATH counts.
//!
//! ## Fix
//! None needed. `--driver-link-everywhere` silences this where all files are given one on purpose;
//! `cuda-fixup fixup --shrink` removes it, and gives it to those that load the driver only.

use crate::lint::Subject;
use crate::plan::loads_driver;

/// Silent where the hook adds the link to all files.
pub(super) fn check(s: &Subject<'_>, say: &mut dyn FnMut(String)) {
    let everywhere = s.options.driver_link_everywhere;
    if !everywhere && s.has_driver_link() && loads_driver(s.info, Some(s.contents)).is_none() {
        say("has a driver link in its RUNPATH and loads no library of the driver".to_owned());
    }
}

//! The resolution cache that goes with a planned RUNPATH.

use crate::plan::{self, Plan, Policy};
use crate::resolution::{self, note};
use elf_edit::{ElfInfo, Search};

/// Adds the cache to a plan, where it is asked for. A directory of the machine that runs the program
/// is still searched there, also where this machine has one.
pub(super) fn add(mode: resolution::Mode, policy: &Policy, info: &ElfInfo, plan: &mut Plan) {
    if mode != resolution::Mode::Note {
        return;
    }
    let link = plan::driver_link(info, policy);
    let compat = policy.compat.as_deref();
    let is_late = |directory: &[u8]| directory == link || Some(directory) == compat;
    // An edit that the file can't take is refused later, with its reason.
    if let Ok(search) = Search::after(info, &plan.edits) {
        plan.edits.extend(note::edit(info, &search, &is_late));
    }
}

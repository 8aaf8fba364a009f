//! The driver's libraries: their link, the compat directory before it, stubs that pretend to be them.

use super::runpath::{Reason, RunpathEntry};
use super::{Context, Driver, Policy};
use crate::cuda::{cudart, driver};
use crate::rodata::Contents;
use elf_edit::ElfInfo;

/// The way in which a file loads the driver itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DriverUse {
    /// It needs or dlopens this library of the driver.
    Library(Vec<u8>),
    /// A statically linked CUDA runtime, which dlopens the driver.
    StaticCudart,
    /// It is the CUDA runtime.
    Cudart,
}

/// The driver link for this file.
pub(crate) fn link(info: &ElfInfo, policy: &Policy) -> Vec<u8> {
    match &policy.driver_link {
        Some(link) => link.clone(),
        None => driver::link(info.header.machine).as_bytes().to_vec(),
    }
}

/// The file's use of the driver, if the policy depends on it.
pub(super) fn driver_use(info: &ElfInfo, context: &Context<'_>) -> Option<DriverUse> {
    match context.policy.driver {
        Driver::Needed => loads_driver(info, context.contents),
        Driver::All | Driver::Off => None,
    }
}

/// First entries: compat, then the driver link.
pub(super) fn entries(
    info: &ElfInfo,
    policy: &Policy,
    loads: Option<DriverUse>,
) -> Vec<RunpathEntry> {
    let wanted = policy.driver == Driver::All || loads.is_some();
    let mut entries = Vec::new();
    if let Some(compat) = &policy.compat
        && (wanted || policy.driver == Driver::Off)
    {
        entries.push(RunpathEntry {
            text: compat.clone(),
            reason: Reason::Compat,
        });
    }
    if wanted {
        entries.push(RunpathEntry {
            text: link(info, policy),
            reason: Reason::Driver(loads),
        });
    }
    entries
}

/// Whether a file loads the driver itself: the loader searches the RUNPATH of the file that calls
/// dlopen, not that of the program.
pub(crate) fn loads_driver(info: &ElfInfo, contents: Option<&Contents>) -> Option<DriverUse> {
    if cudart::is_cudart_itself(info) {
        return Some(DriverUse::Cudart);
    }
    let notes = super::dependencies::notes(info);
    let (whole, tails) = contents.map_or((&[][..], &[][..]), |c| (&c.sonames, &c.tails));
    let own = info.dynamic.as_ref().and_then(|d| d.soname.as_ref());
    let named = info
        .needed()
        .iter()
        .chain(notes.iter().flatten())
        .chain(whole)
        // A linker may have merged the name into the end of a longer string.
        .chain(tails)
        .filter(|name| Some(*name) != own && driver::library(name).is_some());
    // Most files that open several open the CUDA driver first, by the name that drivers have.
    let rank = |name: &&Vec<u8>| match &name[..] {
        b"libcuda.so.1" => 0,
        name if name.starts_with(b"libcuda.so") => 1,
        _ => 2,
    };
    if let Some(name) = named.min_by_key(rank) {
        return Some(DriverUse::Library(name.clone()));
    }
    contents?.cudart.as_ref()?;
    Some(DriverUse::StaticCudart)
}

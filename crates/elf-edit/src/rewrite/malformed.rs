//! Faults of a file that a loader may never notice, but that an edit would build on.

use crate::read::headers::ElfInfo;
use crate::read::read_at::ReadAt;
use crate::read::unfit::unfit;
use crate::read::versions;
use crate::rewrite::error::RewriteError;
use crate::rewrite::refusal::Refusal;
use crate::rewrite::target::Target;
use object::elf;

/// Checks the structures that every edit depends on, whether or not it changes them. Messages begin
/// with patchelf's words.
pub fn check<R: ReadAt + ?Sized>(file: &R, info: &ElfInfo) -> Result<(), RewriteError> {
    let version = file.read_vec(6, 1)?;
    if version != [elf::EV_CURRENT] {
        return malformed(format!(
            "unsupported ELF version: EI_VERSION is {}, expected {}",
            version[0],
            elf::EV_CURRENT
        ));
    }
    let Some(dynamic) = &info.dynamic else {
        return Ok(());
    };
    if dynamic.strsz > 0 && file.read_vec(dynamic.strtab + dynamic.strsz - 1, 1)? != [0] {
        return malformed(format!(
            "string table is not NUL-terminated: .dynstr, {} bytes at offset {:#x}",
            dynamic.strsz, dynamic.strtab
        ));
    }
    Ok(())
}

/// Checks the structures that `target` depends on.
pub(super) fn check_for<R: ReadAt + ?Sized>(
    file: &R,
    info: &ElfInfo,
    target: &Target,
) -> Result<(), RewriteError> {
    check(file, info)?;
    if target.changes_dynamic(info)
        && let Some(unfit) = unfit(file, info)?
    {
        return Err(Refusal::from(unfit).into());
    }
    if let Some(dynamic) = &info.dynamic
        && dynamic.entries.len() >= dynamic.capacity
    {
        return malformed(format!(
            ".dynamic section has no DT_NULL terminator: {} bytes at offset {:#x}",
            dynamic.size, dynamic.offset
        ));
    }
    if !target.renamed_needed.is_empty() {
        // All names, not only those that change: a name out of bounds can't be compared.
        versions::wanted(file, info)?;
    }
    Ok(())
}

fn malformed<T>(what: String) -> Result<T, RewriteError> {
    Err(Refusal::Malformed(what).into())
}

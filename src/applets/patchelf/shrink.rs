//! `--shrink-rpath`: directories that no needed library comes from go.

use crate::escape::shown;
use anyhow::{Context, bail};
use elf_edit::ElfInfo;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The RUNPATH `now` without empty elements and without absolute directories that either don't
/// start with an allowed prefix or have no needed library that an earlier one hasn't. Other
/// elements ($ORIGIN) stay, as their directory depends on where the file will be.
pub(super) fn shrink(
    info: &ElfInfo,
    now: &[u8],
    allowed_prefixes: &[Vec<u8>],
    log: &mut dyn FnMut(String) -> anyhow::Result<()>,
) -> anyhow::Result<Vec<u8>> {
    let mut missing: Vec<&Vec<u8>> = info.needed().iter().collect();
    let mut kept = Vec::new();
    for dir in now.split(|&b| b == b':').filter(|dir| !dir.is_empty()) {
        if !dir.starts_with(b"/") {
            kept.push(dir);
            continue;
        }
        let path = Path::new(OsStr::from_bytes(dir));
        let allowed = allowed_prefixes
            .iter()
            .any(|prefix| dir.starts_with(prefix));
        if !allowed_prefixes.is_empty() && !allowed {
            log(format!(
                "removing directory '{}' from RPATH because of non-allowed prefix",
                shown(path)
            ))?;
            continue;
        }
        let before = missing.len();
        let mut still_missing = Vec::new();
        for library in missing {
            // A name with slashes, too, is looked for below the directory, as patchelf does.
            let file = [dir, library].join(&b'/');
            let file = Path::new(OsStr::from_bytes(&file));
            if !has_library(file, info, log)? {
                still_missing.push(library);
            }
        }
        missing = still_missing;
        if missing.len() < before {
            kept.push(dir);
        } else {
            log(format!("removing directory '{}' from RPATH", shown(path)))?;
        }
    }
    Ok(kept.join(&b':'))
}

/// Whether an ELF file for the same machine is there. Something else of that name is an error,
/// as the program would stumble over it, too.
fn has_library(
    path: &Path,
    info: &ElfInfo,
    log: &mut dyn FnMut(String) -> anyhow::Result<()>,
) -> anyhow::Result<bool> {
    // Opening a pipe would wait for a writer.
    let kind = match std::fs::metadata(path) {
        Ok(metadata) => metadata.file_type(),
        Err(e)
            if matches!(
                e.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(false);
        }
        Err(e) => return Err(e).with_context(|| format!("reading {}", shown(path))),
    };
    if !kind.is_file() {
        bail!("reading {}: is no regular file", shown(path));
    }
    let mut start = Vec::new();
    File::open(path)
        .and_then(|file| file.take(64).read_to_end(&mut start))
        .with_context(|| format!("reading {}", shown(path)))?;
    let Some(header) =
        elf_edit::FileHeader::decode(&start).filter(|_| start.starts_with(b"\x7fELF"))
    else {
        bail!(
            "{} is not an ELF file, but needed as a library",
            shown(path)
        );
    };
    let fits = header.machine == info.header.machine;
    if !fits {
        log(format!(
            "ignoring library '{}' because its machine type differs",
            shown(path)
        ))?;
    }
    Ok(fits)
}

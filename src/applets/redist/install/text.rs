//! Text files of an archive: pkg-config files, and references to directories of other systems.

use super::Placed;
use crate::escape::shown;
use crate::redist::glibc::math_header;
use crate::redist::place::pkg_config;
use anyhow::Context;
use memchr::memmem;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// Rewrites a `.pc` file, and links it under the name without its version: `cuda.pc` beside
/// `cuda-13.0.pc`.
pub(super) fn rewrite_pkg_config(
    file: &Placed,
    dirs: &BTreeMap<String, PathBuf>,
    placed: &[Placed],
) -> anyhow::Result<()> {
    let context = || shown(&file.to).to_string();
    let text = fs::read_to_string(&file.to).with_context(context)?;
    let dir = |names: &[&str]| {
        let found = names.iter().find_map(|name| dirs.get(*name));
        found.map_or_else(String::new, |dir| dir.display().to_string())
    };
    let stubs = text.contains("lib/stubs");
    let lib = if stubs && has_stubs(placed) {
        dir(&["stubs", "lib", "out"])
    } else {
        dir(&["lib", "out"])
    };
    let new = pkg_config(
        &text,
        &dir(&["dev", "out"]),
        &dir(&["include", "dev", "out"]),
        &lib,
    );
    fs::write(&file.to, new).with_context(context)?;
    let Some(stem) = file.to.file_stem().and_then(OsStr::to_str) else {
        return Ok(());
    };
    let Some((name, version)) = stem.rsplit_once('-') else {
        return Ok(());
    };
    let plain = file.to.with_file_name(format!("{name}.pc"));
    let is_version = version.starts_with(|c: char| c.is_ascii_digit());
    if is_version && plain.symlink_metadata().is_err() {
        symlink(format!("{stem}.pc"), &plain).with_context(context)?;
    }
    Ok(())
}

/// Makes a header of nvcc good for any glibc.
pub(super) fn rewrite_math_header(path: &Path) -> anyhow::Result<()> {
    let context = || shown(path).to_string();
    let text = fs::read_to_string(path).with_context(context)?;
    match math_header(&text) {
        Some(new) => fs::write(path, new).with_context(context),
        None => Ok(()),
    }
}

fn has_stubs(placed: &[Placed]) -> bool {
    placed.iter().any(|file| file.output == "stubs")
}

/// Files that tools read paths from; a licence or a header may mention any directory.
fn is_read(path: &str, start: &[u8]) -> bool {
    let ends = |ending: &&str| path.ends_with(*ending);
    start.starts_with(b"#!")
        || [".pc", ".cmake", ".la", ".conf", ".profile"]
            .iter()
            .any(ends)
}

/// Lines that name a directory of another system: `FILE:LINE: …`.
pub(super) fn fhs_references(placed: &[Placed]) -> anyhow::Result<Vec<String>> {
    let mut found = Vec::new();
    for file in placed {
        if file.to.is_symlink() {
            continue;
        }
        let start = read_start(&file.to).with_context(|| shown(&file.to).to_string())?;
        if !is_read(&file.path, &start) {
            continue;
        }
        let text = fs::read(&file.to).with_context(|| shown(&file.to).to_string())?;
        for (number, line) in text.split(|byte| *byte == b'\n').enumerate() {
            // stdenv's patchShebangs sees to the first line.
            let shebang = number == 0 && line.starts_with(b"#!");
            let comment = line.trim_ascii_start().starts_with(b"#");
            let named = ["/usr/", "/opt/"]
                .into_iter()
                .find(|dir| memmem::find(line, dir.as_bytes()).is_some());
            if let Some(dir) = named.filter(|_| !shebang && !comment) {
                found.push(format!(
                    "{}:{}: expected paths of the package, found {dir}: {}",
                    shown(Path::new(&file.path)),
                    number + 1,
                    shown(OsStr::from_bytes(line.trim_ascii()))
                ));
            }
        }
    }
    Ok(found)
}

fn read_start(path: &Path) -> std::io::Result<Vec<u8>> {
    use std::io::Read;
    let mut start = Vec::new();
    fs::File::open(path)?.take(2).read_to_end(&mut start)?;
    Ok(start)
}

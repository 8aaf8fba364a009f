//! Archives on the command line: `inspect app.whl`, `lint image.tar`, `inspect app.whl!lib/x.so`.

use crate::advice::Advice;
use crate::archive::Archives;
use crate::escape::{sentence, shown};
use crate::terminal::{Label, message};
use anyhow::anyhow;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// Replaces the archives among `paths` by directories with their members, which are there as long
/// as the returned value.
pub(super) fn open(paths: &mut Vec<PathBuf>) -> anyhow::Result<Archives> {
    let opened = Archives::open(paths);
    let archives = opened.map_err(|(path, error)| {
        let error = error.to_string();
        anyhow!("{}: {}", shown(&path), sentence(&error))
    })?;
    for warning in &archives.warnings {
        message(Label::Warning, sentence(warning))?;
    }
    paths.clone_from(&archives.paths);
    Ok(archives)
}

/// Removes commands from advice: none of them can change a member of an archive.
pub(super) fn without_commands(archives: &Archives, advice: &mut Advice) {
    let named = |text: &String| {
        let mut directories = archives.directories();
        directories.any(|dir| {
            let dir = dir.as_os_str().as_bytes();
            memchr::memmem::find(text.as_bytes(), dir).is_some()
        })
    };
    if archives.any() {
        advice.helps.retain(|help| !named(help));
        advice.remedies.clear();
    }
}

//! Commands of help lines, in backquotes; `None` for names that no command can get.

use super::shell::word;

/// `prefix FILE` in backquotes, where the name can be a word of a shell.
pub(crate) fn command(prefix: &str, file: &[u8]) -> Option<String> {
    Some(format!("`cuda-fixup {prefix} {}`", word(file)?))
}

/// The command that gives a DT_NEEDED another name.
pub(crate) fn replace_needed(from: &[u8], to: &[u8], file: &[u8]) -> Option<String> {
    let (from, to) = (word(from)?, word(to)?);
    command(&format!("patchelf --replace-needed {from} {to}"), file)
}

/// The command that drops an entry of a RUNPATH.
pub(crate) fn drop_entry(entry: &[u8], file: &[u8]) -> Option<String> {
    let nothing = word(&[entry, b"="].concat())?;
    command(&format!("fixup --replace-runpath {nothing}"), file)
}

/// The command that removes a file.
pub(crate) fn remove(file: &[u8]) -> Option<String> {
    Some(format!("`rm {}`", word(file)?))
}

/// The command that appends an entry and searches nothing.
pub(super) fn append_entry(entry: &[u8], file: &[u8]) -> Option<String> {
    append("", entry, file)
}

fn append(options: &str, entry: &[u8], file: &[u8]) -> Option<String> {
    let entry = word(entry)?;
    let add = format!("fixup {options}--dependencies off --append-runpath {entry}");
    command(&add, file)
}

/// The same for a file below another root, of whose directories this machine knows nothing.
pub(super) fn append_below_root(entry: &[u8], file: &[u8]) -> Option<String> {
    append("--old-entries keep ", entry, file)
}

/// The command that adds a DT_NEEDED.
pub(crate) fn add_needed(name: &[u8], file: &[u8]) -> Option<String> {
    command(&format!("patchelf --add-needed {}", word(name)?), file)
}

/// The command that lets a file open libraries of its own directory.
pub(crate) fn open_beside(file: &[u8]) -> Option<String> {
    append_entry(b"$ORIGIN", file)
}

//! Flags of the patchelf command that auto-patchelf passes on for each file that it edits.

use super::patchelf::{Parsed, PatchelfRequest, Print};
use anyhow::bail;
use elf_edit::Edit;
use std::ffi::OsString;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct PatchelfFlags {
    /// `--force-rpath`
    pub force_rpath: bool,
    /// `--page-size`, in bytes
    pub page_size: Option<u64>,
    /// Edits besides those of interpreter and RUNPATH.
    pub edits: Vec<Edit>,
}

/// Reads flags as the patchelf applet does, and turns down those that are no edit of each file.
pub(super) fn parse(words: &[OsString]) -> anyhow::Result<PatchelfFlags> {
    let request = match PatchelfRequest::parse(words)? {
        Parsed::Run(request) => *request,
        Parsed::Help | Parsed::Version => bail!("expected flags that change a file"),
    };
    if let Some(file) = request.files.first() {
        let word = crate::escape::shown(file);
        bail!("{word}: no flag of patchelf, and files are not named here");
    }
    for (given, flag) in [
        (request.set_rpath.is_some(), "--set-rpath"),
        (request.add_rpath.is_some(), "--add-rpath"),
        (request.remove_rpath, "--remove-rpath"),
        (request.shrink_rpath, "--shrink-rpath"),
        (request.interpreter.is_some(), "--set-interpreter"),
    ] {
        if given {
            bail!(
                "{flag}: the RUNPATH and the interpreter are what this program decides; use its \
                 own options, say --append-rpaths"
            );
        }
    }
    if request.print != Print::default() || request.output.is_some() || request.os_abi.is_some() {
        bail!("--print-…, --output and --set-os-abi can't be passed on to each file");
    }
    Ok(PatchelfFlags {
        force_rpath: request.force_rpath,
        page_size: request.page_size,
        edits: edits(request),
    })
}

fn edits(request: PatchelfRequest) -> Vec<Edit> {
    let mut edits: Vec<Edit> = request.soname.into_iter().map(Edit::SetSoname).collect();
    if request.clear_execstack {
        edits.push(Edit::SetExecutableStack(false));
    }
    if request.set_execstack {
        edits.push(Edit::SetExecutableStack(true));
    }
    edits.extend(request.remove_needed.into_iter().map(Edit::RemoveNeeded));
    edits.extend(
        request
            .replace_needed
            .into_iter()
            .map(|(from, to)| Edit::ReplaceNeeded { from, to }),
    );
    edits.extend(request.add_needed.into_iter().map(Edit::AddNeeded));
    let versions = request.clear_symbol_versions.into_iter();
    edits.extend(versions.map(Edit::ClearSymbolVersion));
    if request.no_default_lib {
        edits.push(Edit::NoDefaultLib);
    }
    if request.add_debug_tag {
        edits.push(Edit::AddDebugTag);
    }
    if !request.rename_symbols.is_empty() {
        edits.push(Edit::RenameSymbols(
            request.rename_symbols.into_iter().collect(),
        ));
    }
    edits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<OsString> {
        text.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn flags_and_their_values() {
        let flags = parse(&words(
            "--force-rpath --page-size 65536 --no-sort --replace-needed a.so b.so --add-needed c.so",
        ));
        let flags = flags.unwrap();
        assert!(flags.force_rpath);
        assert_eq!(flags.page_size, Some(65536));
        let edits = [
            Edit::ReplaceNeeded {
                from: b"a.so".to_vec(),
                to: b"b.so".to_vec(),
            },
            Edit::AddNeeded(b"c.so".to_vec()),
        ];
        assert_eq!(flags.edits, edits);
    }

    #[test]
    fn what_makes_no_sense_is_told() {
        for (bad, why) in [
            ("--page-size", "missing argument"),
            ("--page-size big", "invalid argument"),
            ("--set-rpath x", "--set-rpath"),
            ("--print-rpath", "--print"),
            ("--libs", "--libs"),
            ("--help", "expected flags"),
        ] {
            let message = parse(&words(bad)).unwrap_err().to_string();
            assert!(message.contains(why), "{bad}: {message}");
        }
    }
}

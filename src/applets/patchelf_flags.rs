//! Flags of the patchelf command that auto-patchelf passes on for each file that it edits.

use crate::elf::Edit;
use anyhow::{Context, bail};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

/// What the flags ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PatchelfFlags {
    /// `--force-rpath`
    pub force_rpath: bool,
    /// `--page-size`, in bytes
    pub page_size: Option<u64>,
    /// Edits besides those of interpreter and RUNPATH.
    pub edits: Vec<Edit>,
}

/// Reads flags as patchelf(1) has them.
pub fn parse(words: &[OsString]) -> anyhow::Result<PatchelfFlags> {
    let mut flags = PatchelfFlags::default();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let flag = word.to_string_lossy();
        let mut value = || -> anyhow::Result<Vec<u8>> {
            let value = words
                .next()
                .with_context(|| format!("{flag}: needs a value"))?;
            Ok(value.clone().into_vec())
        };
        match &*flag {
            "--force-rpath" => flags.force_rpath = true,
            "--page-size" => flags.page_size = Some(page_size(&value()?)?),
            "--set-soname" => flags.edits.push(Edit::SetSoname(value()?)),
            "--add-needed" => flags.edits.push(Edit::AddNeeded(value()?)),
            "--remove-needed" => flags.edits.push(Edit::RemoveNeeded(value()?)),
            "--replace-needed" => flags.edits.push(Edit::ReplaceNeeded {
                from: value()?,
                to: value()?,
            }),
            "--clear-symbol-version" => flags.edits.push(Edit::ClearSymbolVersion(value()?)),
            "--no-default-lib" => flags.edits.push(Edit::NoDefaultLib),
            "--add-debug-tag" => flags.edits.push(Edit::AddDebugTag),
            "--clear-execstack" => flags.edits.push(Edit::SetExecutableStack(false)),
            "--set-execstack" => flags.edits.push(Edit::SetExecutableStack(true)),
            // They tell patchelf how to lay a file out, or to talk: nothing that is done here.
            "--no-sort" | "--no-clobber-old-sections" | "--debug" => {}
            "--set-rpath" | "--add-rpath" | "--remove-rpath" | "--shrink-rpath"
            | "--set-interpreter" => bail!(
                "{flag}: the RUNPATH and the interpreter are what this program decides; use its \
                 own options, say --append-rpaths"
            ),
            _ => bail!("{flag}: no flag of patchelf that can be passed on to each file"),
        }
    }
    Ok(flags)
}

fn page_size(value: &[u8]) -> anyhow::Result<u64> {
    let text = String::from_utf8_lossy(value);
    let size: u64 = text
        .parse()
        .with_context(|| format!("--page-size {text}: expected a number of bytes"))?;
    if !size.is_power_of_two() || size > 1 << 24 {
        bail!("--page-size {text}: expected a power of two, at most 16 MiB");
    }
    Ok(size)
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
        for bad in [
            "--page-size",
            "--page-size big",
            "--page-size 3",
            "--set-rpath x",
            "--print-rpath",
            "file",
        ] {
            let told = parse(&words(bad)).unwrap_err().to_string();
            assert!(told.contains(bad.split(' ').next().unwrap()), "{told}");
        }
    }
}

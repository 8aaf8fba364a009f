//! Plan and apply: the first bytes are edits, the rest is the file. Every edit that is not refused
//! must read back.
use elf_edit::writes::Patched;
use elf_edit::{Edit, ElfInfo, ReadAt, RewriteOptions, prepare};
use std::io;

/// Bytes that answer as a file does: reading nothing never fails.
struct Memory<'a>(&'a [u8]);

impl ReadAt for Memory<'_> {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        if buf.is_empty() {
            return Ok(());
        }
        self.0.read_exact_at(offset, buf)
    }
}

/// How many edits, then for each its kind, the length of its text, and the text.
fn edits(data: &[u8]) -> Option<(Vec<Edit>, &[u8])> {
    let (count, mut rest) = data.split_first()?;
    let mut edits = Vec::new();
    for _ in 0..count % 5 {
        let ([kind, len], after) = rest.split_first_chunk()?;
        let (text, after) = after.split_at_checked(usize::from(*len))?;
        rest = after;
        let text = text.to_vec();
        let half = text.len() / 2;
        edits.push(match kind % 13 {
            0 => Edit::SetInterpreter(text),
            1 => Edit::SetRpath(text),
            2 => Edit::RemoveRunpath,
            3 => Edit::SetSoname(text),
            4 => Edit::AddNeeded(text),
            5 => Edit::RemoveNeeded(text),
            6 => Edit::ReplaceNeeded {
                from: text[..half].to_vec(),
                to: text[half..].to_vec(),
            },
            7 => Edit::NoDefaultLib,
            8 => Edit::AddDebugTag,
            9 => Edit::SetOsAbi(*len),
            10 => Edit::SetExecutableStack(len % 2 == 0),
            11 => Edit::ClearSymbolVersion(text),
            _ => Edit::RenameSymbols(vec![(text[..half].to_vec(), text[half..].to_vec())]),
        });
    }
    // A RUNPATH at the end: what it must read back is known.
    edits.push(Edit::SetRunpath(b"/fuzz/$ORIGIN".to_vec()));
    Some((edits, rest))
}

/// Takes one input.
pub fn run(data: &[u8]) {
    let Some((edits, file)) = edits(data) else {
        return;
    };
    let file = Memory(file);
    let Ok(info) = ElfInfo::read(&file) else {
        return;
    };
    let Ok(prepared) = prepare(&file, &info, &edits, &RewriteOptions::default()) else {
        return;
    };
    let Some(patch) = prepared.patch else {
        return;
    };
    let result = Patched::new(&file, &patch.steps);
    assert!(
        result.len() < file.len() + (1 << 26),
        "grows to {} bytes",
        result.len()
    );
    let after = ElfInfo::read(&result).expect("the result can be read");
    assert_eq!(after.runpath_or_rpath(), Some(&b"/fuzz/$ORIGIN"[..]));
}

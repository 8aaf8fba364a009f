//! The address of the program headers that the kernel hands to ld.so (AT_PHDR). Before Linux 5.18
//! it was the file offset of the table plus the bias of the first PT_LOAD, wherever the table is.

use elf_edit::{ElfInfo, Segment};
use object::elf;

/// Whether a kernel before 5.18 gives ld.so the right address for a program.
pub fn check(info: &ElfInfo) -> Result<(), String> {
    if info.interpreter.is_none() {
        // The table of a library is found by the PT_LOAD that holds it.
        return Ok(());
    }
    let table = info.header.phoff;
    let end = table + (info.segments.len() * info.format().segment_size()) as u64;
    let mut loads = info.segments.iter().filter(|s| s.p_type == elf::PT_LOAD);
    let first = loads.clone().next().ok_or("no PT_LOAD")?;
    let holds = |s: &&Segment| s.offset <= table && end <= s.offset + s.filesz;
    let holder = loads.find(holds).ok_or("no PT_LOAD maps the table")?;
    let mapped = holder.vaddr + (table - holder.offset);
    let given = first.vaddr.wrapping_sub(first.offset).wrapping_add(table);
    if given != mapped {
        return Err(format!(
            "AT_PHDR would be {given:#x}, the table is at {mapped:#x}"
        ));
    }
    match info.segments.iter().find(|s| s.p_type == elf::PT_PHDR) {
        Some(phdr) if phdr.vaddr != mapped => Err(format!(
            "PT_PHDR says {:#x}, the table is at {mapped:#x}",
            phdr.vaddr
        )),
        _ => Ok(()),
    }
}

/// Whether a rewrite left a program as good for such a kernel as it was, or said that it did not.
pub fn check_rewritten(before: &ElfInfo, after: &ElfInfo, strip_safe: bool) -> Result<(), String> {
    match (check(before), check(after)) {
        (Ok(()), Err(what)) if strip_safe => Err(what),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_in_a_segment_of_another_bias_is_found_out() {
        let mut info = ElfInfo::read(&*std::fs::read("/bin/true").unwrap()).unwrap();
        assert_eq!(check(&info), Ok(()));
        let table = info.header.phoff;
        let (mut first, mut second) = (info.segments.iter(), info.segments.iter());
        let load = first.find(|s| s.p_type == elf::PT_LOAD).unwrap().clone();
        let last = second.rfind(|s| s.p_type == elf::PT_LOAD).unwrap().clone();
        // As patchelf before 0.16 leaves it: at the end of the file, in a segment of its own.
        let mut own = load;
        own.offset = last.offset + last.filesz;
        own.vaddr = last.vaddr + last.memsz + 0x10_0000;
        info.header.phoff = own.offset;
        info.segments.push(own);
        assert!(check(&info).unwrap_err().contains("AT_PHDR would be"));
        info.header.phoff = table;
        assert_eq!(check(&info), Ok(()));
        info.segments.iter_mut().for_each(|s| {
            s.vaddr += u64::from(s.p_type == elf::PT_PHDR);
        });
        assert!(check(&info).unwrap_err().contains("PT_PHDR says"));
    }
}

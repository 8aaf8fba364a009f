//! What newer linkers than this machine's do: binutils 2.44 puts .interp between tables, mold 2.37
//! gives a TLS symbol the first section, and libraries of MIPS have DT_MIPS_XHASH for DT_HASH.

use crate::support::succeeded;
use crate::tables::read;
use elf_edit::{Edit, ElfInfo, FileReader, RewriteError, RewriteOptions, Rewritten, rewrite};
use object::elf;
use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

fn edit(file: &Path, edit: Edit) -> Result<Rewritten, RewriteError> {
    let reader = FileReader::new(File::open(file).unwrap()).unwrap();
    let info = ElfInfo::read(&reader).unwrap();
    let options = RewriteOptions::default();
    rewrite(&[file.to_owned()], &reader, &info, &[edit], &options)
}

fn compile(compiler: &str, source: &str, flags: &[&str], to: &Path) {
    let from = to.with_extension("c");
    fs::write(&from, source).unwrap();
    let mut gcc = Command::new(compiler);
    succeeded(
        &gcc.args(flags)
            .arg("-o")
            .args([to, &from])
            .output()
            .unwrap(),
    );
}

/// The first edit clears the interpreter's old place and leaves the hash table's, so that the bytes
/// behind the program headers are no part of the moved tables in one piece.
#[test]
fn two_edits_find_room_where_the_interpreter_lies_between_tables() {
    let dir = tempfile::tempdir().unwrap();
    let said = Command::new("ld").arg("--verbose").output().unwrap();
    let said = succeeded(&said);
    let mut parts = said.split("==================================================");
    let script = parts.nth(1).unwrap();
    let interp = script
        .lines()
        .find(|line| line.trim_start().starts_with(".interp "));
    let interp = format!("{}\n", interp.unwrap());
    let before = "  .hash  ";
    assert!(script.contains(before), "{script}");
    let script = script.replace(&interp, "");
    let script = script.replace(before, &format!("{interp}{before}"));
    let named = dir.path().join("script");
    fs::write(&named, script).unwrap();
    let program = dir.path().join("program");
    let by = format!("-Wl,-T,{}", named.display());
    compile(
        "gcc",
        "int main(void) { return 7; }\n",
        &[&by, "-Wl,--build-id=none"],
        &program,
    );
    let table = read(&program).header.phoff;

    edit(&program, Edit::SetRunpath(vec![b'x'; 300])).unwrap();
    let cache = b"libc.so.6\0=/lib/x86_64-linux-gnu/libc.so.6\0\0".to_vec();
    let done = edit(&program, Edit::SetResolutionCache(cache)).unwrap();
    assert!(done.strip_safe);
    assert_eq!(read(&program).header.phoff, table);
    succeeded(&Command::new("strip").arg(&program).output().unwrap());
    let ran = Command::new(&program).status().unwrap();
    assert_eq!(ran.code(), Some(7));
}

#[test]
fn the_offset_of_a_tls_symbol_does_not_move_with_its_section() {
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("program");
    compile(
        "gcc",
        "static int here; int main(void) { return here; }\n",
        &[],
        &program,
    );
    let mut bytes = fs::read(&program).unwrap();
    let header = read(&program).header;
    let sections = elf_edit::read_sections(&bytes[..], &header).unwrap();
    let segments = read(&program).segments;
    let interp = segments
        .iter()
        .find(|s| s.p_type == elf::PT_INTERP)
        .unwrap()
        .offset;
    let interp = sections.iter().position(|s| s.offset == interp).unwrap();
    let symtab = sections
        .iter()
        .find(|s| s.sh_type == elf::SHT_SYMTAB)
        .unwrap();
    // Local symbols 1 and 2 become a TLS symbol and a common one of .interp.
    for (number, kind) in [(1, elf::STT_TLS), (2, elf::STT_OBJECT)] {
        let at = symtab.offset as usize + 24 * number;
        bytes[at + 4] = kind;
        bytes[at + 6..at + 8].copy_from_slice(&(interp as u16).to_le_bytes());
        bytes[at + 8..at + 16].copy_from_slice(&16_u64.to_le_bytes());
    }
    fs::write(&program, bytes).unwrap();
    let value = |number: usize| {
        let bytes = fs::read(&program).unwrap();
        let at = symtab.offset as usize + 24 * number + 8;
        u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
    };
    edit(&program, Edit::SetInterpreter(vec![b'/'; 300])).unwrap();
    assert_eq!(value(1), 16);
    assert!(value(2) > 16);
}

/// Without section headers their hash table alone says how many symbols there are.
#[test]
fn a_mips_loader_is_known_by_a_symbol_that_its_xhash_has() {
    let dir = tempfile::tempdir().unwrap();
    let library = dir.path().join("ld.so");
    let source = "int _r_debug, a, b, c, d, e, f, g;\n";
    let flags = ["-shared", "-nostdlib", "-fPIC", "-Wl,--hash-style=gnu"];
    for compiler in ["mips-linux-gnu-gcc", "mips64el-linux-gnuabi64-gcc"] {
        compile(compiler, source, &flags, &library);
        let info = read(&library);
        let dynamic = info.dynamic.as_ref().unwrap();
        assert_eq!(dynamic.value(elf::DT_HASH), None, "{compiler}");
        let before = fs::read(&library).unwrap();
        let refused = edit(&library, Edit::SetRunpath(b"/lib".to_vec()));
        let why = refused.unwrap_err().to_string();
        assert!(why.contains("is a dynamic loader"), "{compiler}: {why}");
        assert_eq!(fs::read(&library).unwrap(), before);
    }
}

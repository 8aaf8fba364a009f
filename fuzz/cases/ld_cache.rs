//! `/etc/ld.so.cache`: any bytes there give an answer.
use cuda_fixup::parts::{Environment, Loader};
use elf_edit::{Class, Endianness};
use elf_edit::{ElfInfo, FileReader, Platform};
use elf_fixtures::Minimal;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Memory where there is such a place, as each input is written to a file.
fn place() -> &'static Path {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() {
        memory
    } else {
        Path::new("/tmp")
    }
}

/// A program that needs two libraries.
fn program() -> &'static [u8] {
    static PROGRAM: OnceLock<Vec<u8>> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let mut program = Minimal::new(Platform {
            machine: 62, // EM_X86_64
            class: Class::Elf64,
            endian: Endianness::Little,
            os_abi: 0,
        });
        program.interpreter = Some(b"/lib64/ld-linux-x86-64.so.2".to_vec());
        program.needed = vec![b"libneeded.so.1".to_vec(), b"libc.so.6".to_vec()];
        program.bytes()
    })
}

/// Takes one input.
pub fn run(data: &[u8]) {
    // A root directory for each input, removed with it: a fuzzer's process ends without its exit
    // handlers.
    let root = tempfile::tempdir_in(place()).expect("a root directory");
    fs::create_dir(root.path().join("etc")).expect("a directory for the cache");
    fs::write(root.path().join("etc/ld.so.cache"), data).expect("the cache");
    fs::write(root.path().join("program"), program()).expect("a program");
    let file = fs::File::open(root.path().join("program")).and_then(FileReader::new);
    let file = file.expect("the program");
    let info = ElfInfo::read(&file).expect("the program is ELF");
    let loader = Loader::new(Environment {
        root: Some(root.path().to_owned()),
        cwd: PathBuf::from("/"),
        ..Environment::default()
    });
    let _ = loader.resolve(Path::new("/program"), &file, &info, &[]);
}

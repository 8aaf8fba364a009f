//! `/etc/ld.so.cache`: any bytes there give an answer.
use cuda_fixup::elf::{Class, codec::Endianness};
use cuda_fixup::elf::{ElfFacts, FileReader, Minimal, Platform};
use cuda_fixup::loader::{Environment, Loader};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// A root directory with one program that needs a library.
fn root() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| {
        // In memory where there is such a place, as each input is written to it.
        let place = Path::new("/dev/shm");
        let place = if place.is_dir() {
            place
        } else {
            Path::new("/tmp")
        };
        let root = place.join(format!("cuda-fixup-fuzz-{}", std::process::id()));
        fs::create_dir_all(root.join("etc")).expect("a directory for the cache");
        let mut program = Minimal::new(Platform {
            machine: 62, // EM_X86_64
            class: Class::Elf64,
            endian: Endianness::Little,
            os_abi: 0,
        });
        program.interpreter = Some(b"/lib64/ld-linux-x86-64.so.2".to_vec());
        program.needed = vec![b"libneeded.so.1".to_vec(), b"libc.so.6".to_vec()];
        fs::write(root.join("program"), program.bytes()).expect("a program");
        root
    })
}

/// Takes one input.
pub fn run(data: &[u8]) {
    fs::write(root().join("etc/ld.so.cache"), data).expect("the cache");
    let file = fs::File::open(root().join("program")).and_then(FileReader::new);
    let file = file.expect("the program");
    let facts = ElfFacts::read(&file).expect("the program is ELF");
    let loader = Loader::new(Environment {
        root: Some(root().to_owned()),
        cwd: PathBuf::from("/"),
        ..Environment::default()
    });
    let _ = loader.resolve(Path::new("/program"), &file, &facts, &[]);
}

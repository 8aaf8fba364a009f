//! Device code: fatbins, cubins, host ELF files and archives are listed, and each listed image is
//! decoded. The output never exceeds the size in the header.
use cuda_fixup::parts::device_code;
use elf_edit::FileReader;
use std::io::{self, Write};
use std::path::Path;

/// Images of one input that are decoded, and bytes of each, so that one input takes little time.
const IMAGES: usize = 8;
const MOST: u64 = 8 << 20;

/// Counts, and stops at `MOST`.
struct Counted(u64);

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        match self.0 > MOST {
            true => Err(io::Error::other("enough")),
            false => Ok(bytes.len()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Takes one input.
pub fn run(data: &[u8]) {
    // A file without a name: nothing stays, however this ends.
    let mut file = tempfile::tempfile_in(place()).expect("a file");
    file.write_all(data).expect("its bytes");
    let file = FileReader::new(file).expect("a reader");
    // The members of a thin archive are looked for beside it: here is none.
    let Ok(code) = device_code::read(Path::new("/nowhere/archive.a"), &file) else {
        return;
    };
    for (index, image) in code.images.iter().enumerate().take(IMAGES) {
        let entry = &image.entry;
        let whole = entry.part.and_then(|part| {
            let all = &code.images[..index];
            all.iter().rev().find(|i| i.entry.offset == part.of)
        });
        if code.places[image.place].file.is_some() {
            continue;
        }
        let mut out = Counted(0);
        let decoded = device_code::write_payload(&file, entry, whole.map(|w| &w.entry), &mut out);
        let stated = entry.image_size().max(entry.size);
        assert!(
            out.0 <= stated || decoded.is_err(),
            "{} bytes of {stated}: {entry:?}",
            out.0
        );
    }
    device_code::groups(&code);
}

/// Memory where there is such a place.
fn place() -> &'static Path {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() {
        memory
    } else {
        Path::new("/tmp")
    }
}

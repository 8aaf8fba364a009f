//! Programs that read data behind the ELF file in their own file.

use crate::torture::kinds::{Kind, Link, Use, linked};
use crate::torture::target::Target;
use rayon::prelude::*;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

/// Bits of TAIL in testdata/torture/tail.h: how a program looks for its data.
const ABSOLUTE: u8 = 1;
const TRAILER: u8 = 2;
/// As the runtime of an AppImage does.
const SECTIONS: u8 = 4;

const LENGTH: usize = 5003;

/// Suffix, reader, machine, linker's variant, compiler, flags.
type Row = (
    &'static str,
    u8,
    &'static str,
    &'static str,
    &'static str,
    &'static [&'static str],
);

const PROGRAMS: [Row; 9] = [
    (
        "absolute",
        ABSOLUTE,
        "x86_64-linux-gnu",
        "gcc-nopie",
        "gcc",
        &["-no-pie"],
    ),
    (
        "absolute",
        ABSOLUTE,
        "x86_64-linux-gnu",
        "lld-pie",
        "clang",
        &["-fPIE", "-pie", "-fuse-ld=lld"],
    ),
    (
        "trailer",
        TRAILER,
        "x86_64-linux-gnu",
        "gcc-pie",
        "gcc",
        &["-pie"],
    ),
    (
        "trailer",
        TRAILER,
        "x86_64-linux-gnu",
        "mold-nopie",
        "clang",
        &["-no-pie", "-fuse-ld=mold"],
    ),
    (
        "trailer",
        TRAILER,
        "powerpc-linux-gnu",
        "powerpc-pie",
        "",
        &["-fPIE", "-pie"],
    ),
    (
        "both",
        ABSOLUTE | TRAILER,
        "x86_64-linux-gnu",
        "gold-pie",
        "gcc",
        &["-pie", "-fuse-ld=gold"],
    ),
    (
        "both",
        ABSOLUTE | TRAILER,
        "x86_64-linux-gnu",
        "lld-nopie",
        "clang",
        &["-no-pie", "-fuse-ld=lld"],
    ),
    (
        "both",
        ABSOLUTE | TRAILER,
        "aarch64-linux-gnu",
        "aarch64-nopie",
        "",
        &["-no-pie"],
    ),
    (
        "appimage",
        SECTIONS,
        "x86_64-linux-gnu",
        "gcc-pie",
        "gcc",
        &["-pie"],
    ),
];

/// Every such kind.
pub fn all(dir: &Path, targets: &[Arc<Target>]) -> Vec<Kind> {
    PROGRAMS
        .par_iter()
        .map(|&(suffix, reader, machine, linker, compiler, flags)| {
            let target = targets
                .iter()
                .find(|target| target.name == machine)
                .unwrap();
            let defines = [format!("-DTAIL={reader}"), format!("-DLENGTH={LENGTH}")];
            let mut flags = flags.to_vec();
            flags.extend(defines.iter().map(String::as_str));
            let link = Link {
                name: &format!("{linker}-tail-{suffix}"),
                compiler,
                used_as: Use::Program,
                flags: &flags,
            };
            let mut kind = linked(dir, target, &link);
            kind.has_tail = true;
            // The copy keeps the tail's place in 16 bytes.
            kind.growth += LENGTH as u64 + 16;
            for file in [&kind.with_runpath, &kind.bare] {
                append(file, reader);
            }
            kind
        })
        .collect()
}

fn append(file: &Path, reader: u8) {
    let bytes = fs::read(file).unwrap();
    let out = OpenOptions::new().append(true).open(file).unwrap();
    let mut payload = b"hello world!".to_vec();
    payload.resize(LENGTH - 12, b'.');
    payload.extend(b"good-bye all");
    (&out).write_all(&payload).unwrap();
    drop(out);
    // Not for appending, which would ignore the offset.
    let out = OpenOptions::new().write(true).open(file).unwrap();
    if reader & ABSOLUTE != 0 {
        let mark = bytes.windows(16).position(|w| w == b"PAYLOAD_POSITION");
        let at = mark.unwrap() as u64 + 16;
        let position = bytes.len().to_string();
        out.write_all_at(position.as_bytes(), at).unwrap();
    }
    if reader & SECTIONS != 0 {
        out.write_all_at(b"AI\x02", 8).unwrap();
    }
}

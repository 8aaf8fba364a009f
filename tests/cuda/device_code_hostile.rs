//! Malformed fatbins and archives: problems are reported, sound parts are listed, nothing panics,
//! and memory and time stay in proportion to the file's size.

use cuda_fixup::parts::device_code::{self, DeviceCode};
use cuda_fixup::parts::rodata;
use elf_edit::ElfInfo;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// Reads `bytes` as a file.
fn read(bytes: &[u8]) -> Option<DeviceCode> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    fs::write(&path, bytes).unwrap();
    let file = device_code::open(&path).unwrap();
    device_code::read(&path, &file).ok()
}

fn entry(kind: u16, arch: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 0x40];
    bytes[..2].copy_from_slice(&kind.to_le_bytes());
    bytes[2..4].copy_from_slice(&[1, 1]);
    bytes[4..8].copy_from_slice(&0x40_u32.to_le_bytes());
    bytes[8..16].copy_from_slice(&(payload.len() as u64).to_le_bytes());
    bytes[0x1c..0x20].copy_from_slice(&arch.to_le_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

fn container(entries: &[Vec<u8>]) -> Vec<u8> {
    let body = entries.concat();
    let mut bytes = vec![0x50, 0xed, 0x55, 0xba, 1, 0, 16, 0];
    bytes.extend_from_slice(&(body.len() as u64).to_le_bytes());
    bytes.extend_from_slice(&body);
    bytes
}

fn archs(code: &DeviceCode) -> Vec<u32> {
    code.images.iter().map(|i| i.entry.arch).collect()
}

fn problems(code: &DeviceCode) -> String {
    let what = code.problems.iter().map(|(_, p)| p.what.clone());
    what.collect::<Vec<_>>().join("\n")
}

#[test]
fn sound_containers_stand_back_to_back_with_padding_between() {
    let one = container(&[entry(2, 80, &[7; 24]), entry(1, 80, b"ptx\0\0\0\0\0")]);
    let two = container(&[entry(2, 90, &[7; 8])]);
    let code = read(&[&one[..], &[0; 8], &two, &[0; 24]].concat()).unwrap();
    assert_eq!(archs(&code), [80, 80, 90]);
    assert_eq!(problems(&code), "");
}

#[test]
fn an_unknown_kind_is_shown_not_left_out() {
    let code = read(&container(&[entry(0x40, 100, &[1; 8]), entry(2, 90, &[])])).unwrap();
    assert_eq!(code.images[0].entry.kind.word(), "unknown (0x40)");
    assert_eq!(archs(&code), [100, 90]);
}

#[test]
fn lying_sizes_are_problems_and_what_is_sound_is_listed() {
    let sound = container(&[entry(2, 80, &[7; 24])]);
    // A container that is larger than the file; the next one is found all the same.
    let mut long = container(&[entry(2, 90, &[7; 8])]);
    long[8..16].copy_from_slice(&(1_u64 << 40).to_le_bytes());
    let code = read(&[&long[..], &sound].concat()).unwrap();
    assert_eq!(archs(&code), [80]);
    assert!(problems(&code).contains("a fatbin container of 1099511627776 bytes"));
    // An entry that is larger than its container; the ones before it stay.
    for size in [17_u64, 1 << 40, u64::MAX] {
        let mut second = entry(2, 90, &[7; 16]);
        second[8..16].copy_from_slice(&size.to_le_bytes());
        let code = read(&[&container(&[entry(2, 75, &[]), second])[..], &sound].concat()).unwrap();
        assert_eq!(archs(&code), [75, 80]);
        assert!(problems(&code).contains(&format!("payload has {size} bytes, with 16 left")));
    }
    // Header sizes that would never move on, or beyond the end.
    for size in [0_u32, 0x3f, u32::MAX] {
        let mut bad = entry(2, 90, &[7; 16]);
        bad[4..8].copy_from_slice(&size.to_le_bytes());
        let code = read(&container(&[entry(2, 75, &[]), bad])).unwrap();
        assert_eq!(archs(&code), [75]);
        assert!(
            problems(&code).contains("says that its header has"),
            "{}",
            problems(&code)
        );
    }
    // Other bytes in a file of containers.
    let code = read(&[&sound[..], b"something else", &sound].concat()).unwrap();
    assert_eq!(archs(&code), [80, 80]);
    assert_eq!(problems(&code), "14 bytes that are no fatbin container");
}

#[test]
fn a_concatenated_entry_with_too_few_headers() {
    let mut table = 1_000_000_u32.to_le_bytes().to_vec();
    table.extend_from_slice(&72_u32.to_le_bytes());
    table.extend_from_slice(&entry(2, 90, &[]));
    let mut whole = entry(0x100, 0, &[]);
    whole[4..8].copy_from_slice(&(0x40 + table.len() as u32).to_le_bytes());
    whole.extend_from_slice(&table);
    let code = read(&container(&[whole])).unwrap();
    assert_eq!(archs(&code), [0, 90]);
    let what = "a concatenated entry of 1000000 images, 1 of which have a header";
    assert!(problems(&code).starts_with(what), "{}", problems(&code));
}

/// A concatenated entry of these images: offset in the decoded payload, and size.
fn concatenated(payload: usize, images: &[(u32, u64)]) -> Vec<u8> {
    let mut table = (images.len() as u32).to_le_bytes().to_vec();
    table.extend_from_slice(&(8 + 0x40 * images.len() as u32).to_le_bytes());
    for &(offset, size) in images {
        let mut header = entry(2, 90, &[]);
        header[4..8].copy_from_slice(&offset.to_le_bytes());
        header[8..16].copy_from_slice(&size.to_le_bytes());
        table.extend_from_slice(&header);
    }
    let mut whole = entry(0x100, 0, &[]);
    whole[4..8].copy_from_slice(&(0x40 + table.len() as u32).to_le_bytes());
    whole[8..16].copy_from_slice(&(payload as u64).to_le_bytes());
    [whole, table, vec![7; payload]].concat()
}

#[test]
fn images_of_a_concatenated_entry_that_overlap_or_go_past_its_end() {
    let told = |images: &[(u32, u64)]| {
        let sound = entry(2, 80, &[]);
        let code = read(&container(&[concatenated(64, images), sound])).unwrap();
        // The sound part behind it is still listed.
        assert_eq!(archs(&code).last(), Some(&80));
        problems(&code)
    };
    assert_eq!(told(&[(0, 32), (32, 32)]), "");
    assert_eq!(told(&[(32, 32), (0, 32)]), "");
    assert!(told(&[(0, 33), (32, 32)]).contains("begins inside the one before"));
    assert!(told(&[(0, 32), (0, 32)]).contains("begins inside the one before"));
    assert!(told(&[(0, 32), (32, 33)]).contains("of 64 bytes whose image at 32 has 33"));
    assert!(told(&[(0, u64::MAX)]).contains("whose image at 0"));
    assert!(told(&[(u32::MAX, u64::MAX)]).contains("whose image at 4294967295"));
}

/// An ELF file with these sections: name, offset and size in the file, whose last bytes are
/// `contents`. Returns where those begin, too.
fn elf(contents: &[u8], sections: &[(&str, u64, u64)]) -> Vec<u8> {
    let mut names = b"\0.shstrtab\0".to_vec();
    let mut headers = vec![[0_u8; 64]];
    let header = |name: usize, kind: u32, flags: u64, offset: u64, size: u64| {
        let mut header = [0_u8; 64];
        header[..4].copy_from_slice(&(name as u32).to_le_bytes());
        header[4..8].copy_from_slice(&kind.to_le_bytes());
        header[8..16].copy_from_slice(&flags.to_le_bytes());
        header[24..32].copy_from_slice(&offset.to_le_bytes());
        header[32..40].copy_from_slice(&size.to_le_bytes());
        header
    };
    for &(name, offset, size) in sections {
        headers.push(header(names.len(), 1, 2, offset, size));
        names.extend_from_slice(name.as_bytes());
        names.push(0);
    }
    let count = headers.len() + 1;
    let names_at = 64 + 64 * count as u64;
    headers.push(header(1, 3, 0, names_at, names.len() as u64));
    let mut file = vec![0; 64];
    file[..20].copy_from_slice(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\x3e\0");
    file[40..48].copy_from_slice(&64_u64.to_le_bytes());
    file[52..54].copy_from_slice(&64_u16.to_le_bytes());
    file[58..60].copy_from_slice(&64_u16.to_le_bytes());
    file[60..62].copy_from_slice(&(count as u16).to_le_bytes());
    file[62..64].copy_from_slice(&(count as u16 - 1).to_le_bytes());
    file.extend(headers.iter().flatten());
    file.extend(names);
    file.resize(CONTENTS as usize, 0);
    file.extend_from_slice(contents);
    file
}

/// Offset of the contents.
const CONTENTS: u64 = 1024;

#[test]
fn sections_that_lie() {
    let one = container(&[entry(2, 80, &[7; 24])]);
    let two = [&one[..], &container(&[entry(2, 90, &[7; 24])])].concat();
    let (half, len) = (one.len() as u64, two.len() as u64);
    let read = |sections: &[(&str, u64, u64)]| read(&elf(&two, sections)).unwrap();
    let code = read(&[(".nv_fatbin", CONTENTS, len)]);
    assert_eq!(
        (archs(&code), problems(&code)),
        (vec![80, 90], String::new())
    );
    // An entry that goes past its section, though not past the file.
    let code = read(&[(".nv_fatbin", CONTENTS, half - 8)]);
    assert!(archs(&code).is_empty());
    assert!(
        problems(&code).contains("8 more than there are"),
        "{}",
        problems(&code)
    );
    let code = read(&[(".nv_fatbin", CONTENTS, half + 64)]);
    assert_eq!(archs(&code), [80]);
    assert!(!problems(&code).is_empty());
    // A section that goes past the file, begins behind it, or has no end at all.
    for (start, size) in [
        (CONTENTS, len + 1),
        (CONTENTS + len, 1),
        (1 << 40, 1 << 40),
        (u64::MAX, u64::MAX),
    ] {
        let code = read(&[(".nv_fatbin", start, size)]);
        assert!(
            problems(&code).contains("of which are in the file"),
            "{start} {size}"
        );
    }
    // The same bytes in two sections, and in a thousand, are reported once.
    let twice = [(".nv_fatbin", CONTENTS, len), ("again", CONTENTS, len)];
    assert_eq!(archs(&read(&twice)), [80, 90]);
    let shifted = [
        (".nv_fatbin", CONTENTS, len),
        ("again", CONTENTS + half, half),
    ];
    assert_eq!(archs(&read(&shifted)), [80, 90]);
}

/// One pass over the read-only data for its strings and its device code finds what two find,
/// wherever sections begin and end.
#[test]
fn one_pass_for_strings_and_device_code_finds_what_two_find() {
    let one = container(&[entry(2, 80, &[7; 24])]);
    let text = b"\0libcuda.so.1\0plain text\0";
    let bytes = [&text[..], &one, text, &one, &[0; 8]].concat();
    let len = bytes.len() as u64;
    let mut found = 0;
    for start in (0..len).step_by(13) {
        for size in (0..=len - start).step_by(17) {
            let rest = len - start - size;
            let file = elf(
                &bytes,
                &[
                    (".rodata", CONTENTS, start),
                    ("other", CONTENTS + start, size),
                    (".nv_fatbin", CONTENTS + start + size, rest),
                ],
            );
            let info = ElfInfo::read(&file[..]).unwrap();
            let (contents, code) = rodata::read_with_device_code(&file[..], &info).unwrap();
            assert_eq!(contents, rodata::read(&file[..], &info).unwrap());
            assert_eq!(code, read(&file).unwrap(), "{start} {size}");
            found += code.images.len();
        }
    }
    assert!(found > 100, "{found}");
}

#[test]
fn a_flood_of_entries_and_of_magics_is_bounded() {
    let start = Instant::now();
    let flood = container(&vec![entry(2, 90, &[]); 200_000]);
    let code = read(&flood).unwrap();
    assert!(code.truncated);
    assert!(code.images.len() <= 1 << 17);
    // 4 MB of magics without a container.
    let magics = [0x50, 0xed, 0x55, 0xba, 1, 0, 16, 0].repeat(500_000);
    let code = read(&magics).unwrap();
    assert!(code.images.is_empty() && code.problems.len() <= 100);
    assert!(
        start.elapsed() < Duration::from_secs(30),
        "{:?}",
        start.elapsed()
    );
}

fn member(name: &str, contents: &[u8]) -> Vec<u8> {
    let mut bytes = format!(
        "{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n",
        0,
        0,
        0,
        644,
        contents.len()
    )
    .into_bytes();
    bytes.extend_from_slice(contents);
    if contents.len() % 2 == 1 {
        bytes.push(b'\n');
    }
    bytes
}

#[test]
fn archives_with_bad_members() {
    let fatbin = container(&[entry(2, 80, &[7; 24])]);
    let good = member("a.fatbin/", &fatbin);
    let archive = |members: &[&[u8]]| [&b"!<arch>\n"[..], &members.concat()].concat();
    // ELF magic and nothing else; the member behind it is read.
    let code = read(&archive(&[&member("bad.o/", b"\x7fELF\x02"), &good])).unwrap();
    assert_eq!(archs(&code), [80]);
    assert!(
        problems(&code).contains("ELF header is cut off"),
        "{}",
        problems(&code)
    );
    assert_eq!(code.places[1].member.as_deref(), Some(&b"a.fatbin"[..]));
    // A member larger than the archive; no number; half a header.
    let mut long = member("long/", b"x");
    long[48..58].copy_from_slice(b"9999999999");
    for (bad, what) in [
        (&long[..], "a member of 9999999999 bytes"),
        (
            &b"no header at all, but sixty bytes or more, so that one fits in"[..],
            "is none",
        ),
        (&b"short"[..], "ends inside"),
    ] {
        let code = read(&archive(&[&good, bad])).unwrap();
        assert_eq!(archs(&code), [80], "{what}");
        assert!(problems(&code).contains(what), "{}", problems(&code));
    }
    // Names outside the table of names.
    for name in ["/99999", "/999999999999999", "#1/99999999"] {
        let code = read(&archive(&[&member("//", b"n/\n"), &member(name, &fatbin)])).unwrap();
        assert!(archs(&code) == [80] || name.starts_with('#'), "{name}");
    }
}

#[test]
fn a_thin_archive_of_what_cannot_be_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("thin.a");
    rustix::fs::mkfifoat(
        rustix::fs::CWD,
        dir.path().join("fifo"),
        rustix::fs::Mode::RWXU,
    )
    .unwrap();
    fs::write(dir.path().join("k.fatbin"), container(&[entry(2, 80, &[])])).unwrap();
    // Headers without contents, their sizes those of the files; the good file listed often.
    let header = |name: &str| member(name, &[])[..].to_vec();
    let mut archive = b"!<thin>\n".to_vec();
    for name in ["fifo/", "missing/", "thin.a/"] {
        archive.extend_from_slice(&header(name));
    }
    for _ in 0..1000 {
        archive.extend_from_slice(&header("k.fatbin/"));
    }
    fs::write(&path, archive).unwrap();
    let code = device_code::read(&path, &device_code::open(&path).unwrap()).unwrap();
    assert_eq!(archs(&code), [80]);
    assert!(problems(&code).contains("not a regular file"));
    assert!(problems(&code).contains("No such file"));
    // It lists itself: that is reported, and not followed.
    assert!(problems(&code).contains("an archive in an archive"));
}

/// A thin archive may name files anywhere, as linkers accept them; links in a circle, directories
/// and devices are reported.
#[test]
fn a_thin_archive_that_points_outside() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().canonicalize().unwrap();
    fs::create_dir(dir.join("lib")).unwrap();
    fs::write(dir.join("out.fatbin"), container(&[entry(2, 75, &[])])).unwrap();
    std::os::unix::fs::symlink("loop", dir.join("lib/loop")).unwrap();
    let absolute = dir.join("out.fatbin").display().to_string();
    let names = ["../out.fatbin", "/dev/zero", "../lib", "loop", &absolute];
    let mut table = Vec::new();
    let mut headers = Vec::new();
    for name in names {
        headers.extend_from_slice(&member(&format!("/{}", table.len()), &[]));
        table.extend_from_slice(format!("{name}/\n").as_bytes());
    }
    let archive = [&b"!<thin>\n"[..], &member("//", &table), &headers].concat();
    let path = dir.join("lib/thin.a");
    fs::write(&path, archive).unwrap();
    let code = device_code::read(&path, &device_code::open(&path).unwrap()).unwrap();
    assert_eq!(archs(&code), [75]);
    assert_eq!(code.problems.len(), 3, "{}", problems(&code));
    assert!(
        problems(&code).contains("symbolic links"),
        "{}",
        problems(&code)
    );
}

/// Output of the command: a problem is a finding, a file without device code an error.
#[test]
fn a_finding_or_an_error_each() {
    let dir = tempfile::tempdir().unwrap();
    let run = |args: &[&str], bytes: &[u8]| {
        fs::write(dir.path().join("file"), bytes).unwrap();
        std::process::Command::new(env!("CARGO_BIN_EXE_cuda-fixup"))
            .current_dir(dir.path())
            .arg("device-code")
            .args(args)
            .arg("file")
            .output()
            .unwrap()
    };
    let sound = container(&[entry(2, 80, &[7; 24])]);
    let cut = &sound[..sound.len() - 1];
    assert_eq!(run(&["list"], &sound).status.code(), Some(0));
    let found = run(&["list"], cut);
    assert_eq!(found.status.code(), Some(1));
    let text = String::from_utf8(found.stdout).unwrap();
    assert!(text.contains("problem at 0x0"), "{text}");
    assert_eq!(run(&["list"], b"text").status.code(), Some(2));
    // A bomb: 128 KiB of zeros in each of many blocks of four bytes, with a small size stated.
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58];
    for last in (0..50_000_u32).map(|i| u32::from(i == 49_999)) {
        let block = last | 1 << 1 | (128 << 10) << 3;
        frame.extend_from_slice(&block.to_le_bytes()[..3]);
        frame.push(0);
    }
    let mut bomb = entry(2, 80, &frame);
    bomb[0x10..0x14].copy_from_slice(&(frame.len() as u32).to_le_bytes());
    bomb[0x28..0x30].copy_from_slice(&0x8011_u64.to_le_bytes());
    bomb[0x38..0x40].copy_from_slice(&(1_u64 << 20).to_le_bytes());
    let extract = run(&["extract", "-o", "."], &container(&[bomb]));
    assert_eq!(extract.status.code(), Some(2));
    let message = String::from_utf8(extract.stderr).unwrap();
    assert!(message.contains("states 1048576 bytes"), "{message}");
    let left = fs::read_dir(dir.path()).unwrap().count();
    assert_eq!(left, 1, "nothing half written stays");
}

/// Each byte of a small archive of all of it flipped, and each length cut.
#[test]
fn damage_anywhere_is_survived() {
    let fatbin = container(&[entry(2, 80, &[7; 24]), entry(0x100, 0, &[1; 80])]);
    let archive = [
        &b"!<arch>\n"[..],
        &member("a/", &fatbin),
        &member("b/", &fatbin),
    ]
    .concat();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    let try_it = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        let file = device_code::open(Path::new(&path)).unwrap();
        let _ = device_code::read(&path, &file);
    };
    for bytes in [&archive, &fatbin] {
        for at in 0..bytes.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut damaged = bytes.clone();
                damaged[at] ^= flip;
                try_it(&damaged);
            }
            try_it(&bytes[..at]);
        }
    }
}

//! Fatbins and archives that lie: problems are told, sound parts are listed, nothing panics,
//! nothing takes memory or time that the file's size doesn't account for.

#![allow(
    clippy::unwrap_used,
    reason = "a failure here is a failure of the test"
)]

use cuda_fixup::cuda::device_code::{self, DeviceCode};
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
    // What is no container in a file of containers.
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
    assert_eq!(
        problems(&code),
        "a concatenated entry of 1000000 images, 1 of which have a header"
    );
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

//! Archives on the command line: every form, and hostile ones.

use crate::report::library;
use crate::support::trees::Tree;
use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};

/// Runs the program with a directory of its own for temporary files, which must be empty behind it.
fn run(tree: &Tree, args: &[&str]) -> Output {
    let temporary = tree.at("tmp/x").parent().unwrap().to_owned();
    let done = Command::new(crate::support::BINARY)
        .args(args)
        .current_dir(tree.root())
        .env("TMPDIR", &temporary)
        .output()
        .unwrap();
    let left: Vec<_> = fs::read_dir(&temporary).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
    done
}

fn text(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

/// `t` with two libraries, a link and a text.
fn sample() -> Tree {
    let tree = Tree::new();
    library(
        &tree,
        "t/lib/liba.so",
        &["libb.so.1", "libgone.so.1"],
        "$ORIGIN",
    );
    library(&tree, "t/lib/libb.so.1.2", &[], "");
    symlink("libb.so.1.2", tree.at("t/lib/libb.so.1")).unwrap();
    fs::write(tree.at("t/share/notes"), "text").unwrap();
    tree
}

/// A tar archive of `t`.
fn tar_of(tree: &Tree) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    tar.follow_symlinks(false);
    tar.append_dir_all(".", tree.at("t")).unwrap();
    tar.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

/// The string of a Nix archive.
fn nar_string(text: &[u8]) -> Vec<u8> {
    let mut out = (text.len() as u64).to_le_bytes().to_vec();
    out.extend_from_slice(text);
    out.resize(out.len().next_multiple_of(8), 0);
    out
}

fn nar_words(words: &[&[u8]]) -> Vec<u8> {
    words.iter().flat_map(|word| nar_string(word)).collect()
}

/// The node of a Nix archive for a file or a directory.
fn nar_node(path: &Path) -> Vec<u8> {
    let metadata = path.symlink_metadata().unwrap();
    if metadata.is_symlink() {
        let target = fs::read_link(path).unwrap();
        let target = target.as_os_str().as_encoded_bytes();
        return nar_words(&[b"(", b"type", b"symlink", b"target", target, b")"]);
    }
    if metadata.is_file() {
        let contents = fs::read(path).unwrap();
        return nar_words(&[b"(", b"type", b"regular", b"contents", &contents, b")"]);
    }
    let mut names: Vec<_> = fs::read_dir(path)
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    names.sort();
    let mut out = nar_words(&[b"(", b"type", b"directory"]);
    for name in names {
        out.extend(nar_words(&[
            b"entry",
            b"(",
            b"name",
            name.as_encoded_bytes(),
            b"node",
        ]));
        out.extend(nar_node(&path.join(name)));
        out.extend(nar_string(b")"));
    }
    out.extend(nar_string(b")"));
    out
}

fn nar_of(tree: &Tree) -> Vec<u8> {
    [nar_string(b"nix-archive-1"), nar_node(&tree.at("t"))].concat()
}

/// A Debian package with this data.tar.
fn deb(data: &[u8]) -> Vec<u8> {
    let mut out = b"!<arch>\n".to_vec();
    for (name, bytes) in [
        ("debian-binary", &b"2.0\n"[..]),
        ("control.tar", b"odd"),
        ("data.tar", data),
    ] {
        out.extend(
            format!(
                "{name:<16}0           0     0     100644  {:<10}`\n",
                bytes.len()
            )
            .bytes(),
        );
        out.extend_from_slice(bytes);
        out.resize(out.len().next_multiple_of(2), b'\n');
    }
    out
}

fn zip_of(tree: &Tree) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    for name in ["lib/liba.so", "lib/libb.so.1.2", "share/notes"] {
        zip.start_file(name, options).unwrap();
        zip.write_all(&fs::read(tree.at(&format!("t/{name}"))).unwrap())
            .unwrap();
    }
    zip.add_symlink("lib/libb.so.1", "libb.so.1.2", options)
        .unwrap();
    zip.finish().unwrap().into_inner()
}

/// What `inspect`, `lint` and `diff` say of an archive of `t`.
fn check(tree: &Tree, name: &str) {
    let (tree_says, _) = text(&run(tree, &["inspect", "t"]));
    let done = run(tree, &["inspect", name]);
    let (out, error) = text(&done);
    assert_eq!(done.status.code(), Some(1), "{name}: {error}");
    assert!(
        out.contains(&format!("{name}!lib/liba.so: shared library")),
        "{name}: {out}"
    );
    assert!(
        out.contains(&format!("libb.so.1 => {name}!lib/libb.so.1 (RUNPATH)")),
        "{name}: {out}"
    );
    assert!(out.contains("libgone.so.1 => not found"), "{name}: {out}");
    assert!(
        !out.contains("/tmp/cuda-fixup-") && !error.contains("/tmp/cuda-fixup-"),
        "{out}{error}"
    );
    // The same, but for the paths.
    let plain = tree_says
        .replace(&format!("{}/", tree.text("t")), "!")
        .replace("t/lib", "!lib");
    assert_eq!(
        out.replace(name, "").lines().count(),
        plain.lines().count(),
        "{out}\n{plain}"
    );
    let (out, _) = text(&run(tree, &["lint", name]));
    assert!(
        out.contains(&format!("error[needed-not-found]: {name}!lib/liba.so")),
        "{out}"
    );
    assert!(!out.contains("help: `"), "a command for a member: {out}");
    let done = run(tree, &["diff", "t", name]);
    assert_eq!(
        (text(&done).0.as_str(), done.status.code()),
        ("", Some(0)),
        "{name}"
    );
    let (out, _) = text(&run(
        tree,
        &["inspect", "--check", &format!("{name}!lib/libb.so.1")],
    ));
    assert!(!out.contains("liba"), "{out}");
    let done = run(tree, &["report", name, "--output", "page.html"]);
    assert_eq!(done.status.code(), Some(0), "{:?}", text(&done));
    assert!(
        !fs::read_to_string(tree.at("page.html"))
            .unwrap()
            .contains("cuda-fixup-")
    );
}

fn lz4(bytes: &[u8]) -> Vec<u8> {
    let mut to = lz4_flex::frame::FrameEncoder::new(Vec::new());
    to.write_all(bytes).unwrap();
    to.finish().unwrap()
}

#[test]
fn each_form_is_read_as_the_tree_in_it() {
    let tree = sample();
    let tar = tar_of(&tree);
    let zstd =
        ruzstd::encoding::compress_to_vec(&tar[..], ruzstd::encoding::CompressionLevel::Fastest);
    for (name, bytes) in [
        ("a.tar.gz", gzip(&tar)),
        ("a.tar.zst", zstd),
        ("a.tar.lz4", lz4(&tar)),
        ("a.deb", deb(&gzip(&tar))),
        ("a.nar", nar_of(&tree)),
        ("a.whl", zip_of(&tree)),
        ("without-suffix", gzip(&tar)),
        ("a.tar", tar),
    ] {
        fs::write(tree.at(name), bytes).unwrap();
        check(&tree, name);
    }
}

#[test]
fn packed_by_xz() {
    let tree = sample();
    for (name, bytes) in [("a.tar", tar_of(&tree)), ("a.nar", nar_of(&tree))] {
        fs::write(tree.at(name), bytes).unwrap();
        let done = Command::new("xz").arg(tree.at(name)).output().unwrap();
        assert!(done.status.success());
        check(&tree, &format!("{name}.xz"));
    }
}

/// An archive of members that a builder would refuse.
fn raw_tar(members: &[(&str, tar::EntryType, &str, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, kind, link, bytes) in members {
        let mut header = tar::Header::new_ustar();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_entry_type(*kind);
        header.set_size(bytes.len() as u64);
        header.set_mode(0o777);
        header.set_cksum();
        out.extend_from_slice(header.as_bytes());
        out.extend_from_slice(bytes);
        out.resize(out.len().next_multiple_of(512), 0);
    }
    out.resize(out.len() + 1024, 0);
    out
}

#[test]
fn layers_of_an_image_hide_members_of_lower_ones() {
    use tar::EntryType::{Regular, Symlink};
    let tree = sample();
    let elf = fs::read(tree.at("t/lib/libb.so.1.2")).unwrap();
    let old = raw_tar(&[
        ("usr/lib/libold.so", Regular, "", &elf),
        ("opt/x/libgone.so", Regular, "", &elf),
        ("usr/lib/libkept.so", Regular, "", &elf),
        ("lib", Symlink, "/usr/lib", b""),
    ]);
    let new = raw_tar(&[
        ("usr/lib/.wh.libold.so", Regular, "", b""),
        ("opt/x/.wh..wh..opq", Regular, "", b""),
        ("opt/x/libnew.so", Regular, "", &elf),
    ]);
    let manifest = br#"[{"Layers":["1/layer.tar","blobs/sha256/2"]}]"#;
    // The layers are in no order of their own.
    let image = raw_tar(&[
        ("blobs/sha256/2", Regular, "", &gzip(&new)),
        ("manifest.json", Regular, "", manifest),
        ("1/layer.tar", Regular, "", &old),
    ]);
    fs::write(tree.at("image.tar"), image).unwrap();
    let (out, error) = text(&run(&tree, &["inspect", "--headers", "image.tar"]));
    let files: Vec<&str> = out
        .lines()
        .filter(|line| line.starts_with("image.tar!"))
        .collect();
    let names: Vec<&str> = files
        .iter()
        .map(|line| line.split(':').next().unwrap())
        .collect();
    assert_eq!(
        names,
        ["image.tar!opt/x/libnew.so", "image.tar!usr/lib/libkept.so"],
        "{out}{error}"
    );
    let incomplete = raw_tar(&[("manifest.json", Regular, "", manifest)]);
    fs::write(tree.at("bad.tar"), incomplete).unwrap();
    let done = run(&tree, &["inspect", "bad.tar"]);
    assert!(
        text(&done)
            .1
            .contains("bad.tar: an image without its layer 1/layer.tar")
    );
    assert_eq!(done.status.code(), Some(2));
}

/// An image of two layers as `docker save` writes it, and as an OCI layout.
fn images(tree: &Tree) -> [Vec<u8>; 2] {
    use tar::EntryType::{Directory, Regular};
    let elf = |name: &str| fs::read(tree.at(name)).unwrap();
    let (a, b) = (elf("t/lib/liba.so"), elf("t/lib/libb.so.1.2"));
    let low = raw_tar(&[
        ("usr/lib/liba.so", Regular, "", &a),
        ("usr/lib/libold.so", Regular, "", &a),
    ]);
    let high = raw_tar(&[
        ("usr/lib/libb.so.1", Regular, "", &b),
        ("usr/lib/.wh.libold.so", Regular, "", b""),
    ]);
    let digest = |letter: &str| letter.repeat(64);
    let layer = |letter: &str| format!("{}/layer.tar", digest(letter));
    let manifest = format!(r#"[{{"Layers":["{}","{}"]}}]"#, layer("b"), layer("a"));
    let docker = raw_tar(&[
        ("./", Directory, "", b""),
        (&layer("a"), Regular, "", &high),
        (&layer("b"), Regular, "", &low),
        ("manifest.json", Regular, "", manifest.as_bytes()),
    ]);
    let blob = |letter: &str| format!("blobs/sha256/{}", digest(letter));
    let named = |letter: &str| format!(r#"{{"digest":"sha256:{}"}}"#, digest(letter));
    let index = format!(r#"{{"manifests":[{}]}}"#, named("c"));
    let platforms = format!(r#"{{"manifests":[{}]}}"#, named("d"));
    let manifest = format!(r#"{{"layers":[{},{}]}}"#, named("b"), named("a"));
    let oci = raw_tar(&[
        (&blob("a"), Regular, "", &gzip(&high)),
        (&blob("b"), Regular, "", &low),
        (&blob("c"), Regular, "", platforms.as_bytes()),
        (&blob("d"), Regular, "", manifest.as_bytes()),
        ("index.json", Regular, "", index.as_bytes()),
        (
            "oci-layout",
            Regular,
            "",
            br#"{"imageLayoutVersion":"1.0.0"}"#,
        ),
    ]);
    [docker, oci]
}

#[test]
fn images_of_both_forms_are_read_packed_or_not() {
    let tree = sample();
    let [docker, oci] = images(&tree);
    for (name, bytes) in [
        ("docker.tar", docker.clone()),
        ("docker.tar.gz", gzip(&docker)),
        ("oci.tar", oci.clone()),
        ("oci.tgz", gzip(&oci)),
    ] {
        fs::write(tree.at(name), bytes).unwrap();
        let (out, error) = text(&run(&tree, &["inspect", name]));
        let lines = out.lines().filter(|line| line.contains(": shared library"));
        let files: Vec<&str> = lines.filter_map(|line| line.split(':').next()).collect();
        let wanted = ["liba.so", "libb.so.1"].map(|file| format!("{name}!usr/lib/{file}"));
        assert_eq!(files, wanted, "{out}{error}");
        let found = format!("libb.so.1 => {name}!usr/lib/libb.so.1");
        assert!(
            out.contains("libb.so.1 => /usr/lib/libb.so.1 (RUNPATH)") || out.contains(&found),
            "{out}"
        );
    }
    // All applets look for libraries in the image, not on this machine.
    library(&tree, "t/lib/libc-user.so", &["libc.so.6"], "");
    let elf = fs::read(tree.at("t/lib/libc-user.so")).unwrap();
    let root = raw_tar(&[
        ("usr/lib/libuser.so", tar::EntryType::Regular, "", &elf),
        (
            "usr/lib/libabs.so.1",
            tar::EntryType::Symlink,
            "/opt/b",
            b"",
        ),
        ("opt/b", tar::EntryType::Regular, "", &elf),
    ]);
    let layer = format!("{}/layer.tar", "e".repeat(64));
    let manifest = format!(r#"[{{"Layers":["{layer}"]}}]"#);
    let image = raw_tar(&[
        (&layer, tar::EntryType::Regular, "", &root),
        (
            "manifest.json",
            tar::EntryType::Regular,
            "",
            manifest.as_bytes(),
        ),
    ]);
    fs::write(tree.at("bare.tar"), image).unwrap();
    for args in [
        &["lint", "bare.tar"][..],
        &["report", "bare.tar", "-o", "-"],
        &["inspect", "bare.tar"],
    ] {
        let (out, error) = text(&run(&tree, args));
        let found = ["libc.so.6 is not found", "libc.so.6 => not found"];
        assert!(
            found.iter().any(|text| out.contains(text)),
            "{args:?}: {out}{error}"
        );
        assert!(!out.contains("cuda-fixup-"), "{args:?}: {out}{error}");
    }
    // The same below a directory.
    let mut unpacked = tar::Archive::new(&root[..]);
    unpacked.unpack(tree.at("root")).unwrap();
    let lines = |args: &[&str]| text(&run(&tree, args)).0.replace("root/", "bare.tar!");
    assert_eq!(
        lines(&["lint", "--root", "root", "root"]),
        lines(&["lint", "bare.tar"])
    );
    assert_ne!(lines(&["lint", "root"]), lines(&["lint", "bare.tar"]));
    let done = run(&tree, &["lint", "--root", "root", "t"]);
    assert!(
        text(&done).1.contains("t: expected a path below the root"),
        "{:?}",
        text(&done)
    );
    assert_eq!(done.status.code(), Some(2));
    // A packed archive that begins like an image and is none.
    let mut tar = tar::Builder::new(Vec::new());
    tar.append_dir_all("blobs", tree.at("t")).unwrap();
    fs::write(tree.at("plain.tar.gz"), gzip(&tar.into_inner().unwrap())).unwrap();
    let (out, _) = text(&run(&tree, &["inspect", "--headers", "plain.tar.gz"]));
    assert!(out.contains("plain.tar.gz!blobs/lib/liba.so: "), "{out}");
    // An image that is a bomb: 100 MB of zeroes in front of its manifest.
    let zeroes = vec![0; 100 << 20];
    let bomb = raw_tar(&[("blobs/sha256/x", tar::EntryType::Regular, "", &zeroes)]);
    fs::write(tree.at("bomb.tgz"), gzip(&bomb)).unwrap();
    let done = run(&tree, &["inspect", "bomb.tgz"]);
    assert!(
        text(&done).1.contains("bomb.tgz: expands to more than"),
        "{:?}",
        text(&done)
    );
}

#[test]
fn one_bad_archive_does_not_end_the_run() {
    let tree = sample();
    fs::write(tree.at("good.nar"), nar_of(&tree)).unwrap();
    fs::write(tree.at("bad.whl"), "hello").unwrap();
    let bad = "error: bad.whl: an archive in an unknown form";
    for args in [
        &["inspect", "bad.whl", "good.nar"][..],
        &["inspect", "--json", "bad.whl", "good.nar"],
        &["lint", "good.nar", "bad.whl"],
        &["lint", "--format", "sarif", "bad.whl", "good.nar"],
        &["device-code", "--by-arch", "bad.whl", "good.nar"],
        &["closure", "bad.whl", "good.nar"],
        &["report", "bad.whl", "good.nar", "--output", "-"],
    ] {
        let done = run(&tree, args);
        let (out, error) = text(&done);
        assert_eq!(done.status.code(), Some(2), "{args:?}");
        assert_eq!(error.matches(bad).count(), 1, "{args:?}: {error}");
        let has_code = matches!(args[0], "device-code" | "closure");
        assert!(
            has_code || out.contains("liba.so"),
            "{args:?}: {out}{error}"
        );
        assert!(!error.contains("no findings"), "{args:?}: {error}");
    }
    // A comparison with half a package says nothing.
    let done = run(&tree, &["diff", "good.nar", "bad.whl"]);
    assert_eq!((done.status.code(), text(&done).0.as_str()), (Some(2), ""));
    let done = run(&tree, &["lint", "bad.whl"]);
    assert_eq!(text(&done).1.lines().count(), 1, "{:?}", text(&done));
}

/// A signal leaves no private directory behind, and ends the program as it would have.
#[test]
fn signals_remove_the_private_directory() {
    use rustix::process::{Pid, Signal, kill_process};
    use std::os::unix::process::ExitStatusExt;
    use std::time::Duration;
    let tree = Tree::new();
    let mut header = tar::Header::new_gnu();
    header.set_path("libx.so").unwrap();
    header.set_size(1 << 40);
    header.set_cksum();
    let file = fs::File::create(tree.at("long.tar")).unwrap();
    (&file).write_all(header.as_bytes()).unwrap();
    (&file).write_all(b"\x7fELF").unwrap();
    file.set_len(1 << 40).unwrap();
    let temporary = tree.at("tmp/x").parent().unwrap().to_owned();
    let line = format!("exec {} inspect long.tar", crate::support::BINARY);
    for (signal, ignored) in [
        (Signal::INT, false),
        (Signal::TERM, false),
        (Signal::HUP, false),
        (Signal::HUP, true),
    ] {
        let trap = if ignored { "trap '' HUP; " } else { "" };
        // As nohup ignores one, and a shell can't undo that.
        let mut child = Command::new("env")
            .args(["--default-signal=HUP,INT,TERM", "sh", "-c"])
            .arg(format!("{trap}{line}"))
            .current_dir(tree.root())
            .env("TMPDIR", &temporary)
            .spawn()
            .unwrap();
        let is_staged = || walkdir::WalkDir::new(&temporary).into_iter().count() > 3;
        while !is_staged() {
            assert!(child.try_wait().unwrap().is_none());
            std::thread::sleep(Duration::from_millis(5));
        }
        kill_process(Pid::from_child(&child), signal).unwrap();
        let mut last = signal;
        if ignored {
            std::thread::sleep(Duration::from_millis(200));
            assert!(is_staged());
            last = Signal::TERM;
            kill_process(Pid::from_child(&child), last).unwrap();
        }
        assert_eq!(child.wait().unwrap().signal(), Some(last.as_raw()));
        assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0, "{signal:?}");
    }
}

#[test]
fn nothing_is_written_outside_of_the_private_directory() {
    use tar::EntryType::{Link, Regular, Symlink};
    let tree = sample();
    let elf = fs::read(tree.at("t/lib/libb.so.1.2")).unwrap();
    fs::write(tree.at("outside/secret"), "untouched").unwrap();
    let outside = tree.text("outside");
    let secret = format!("{outside}/secret");
    let archive = raw_tar(&[
        ("../../evil.so", Regular, "", &elf),
        ("a/../../evil.so", Regular, "", &elf),
        ("/abs.so", Regular, "", &elf),
        ("dir", Symlink, &outside, b""),
        ("dir/evil.so", Regular, "", &elf),
        ("up", Symlink, "../..", b""),
        ("up/evil.so", Regular, "", &elf),
        ("here", Symlink, ".", b""),
        ("around", Symlink, "here/../..", b""),
        ("hard", Link, &secret, b""),
        ("hard", Regular, "", &elf),
        ("file", Regular, "", &elf),
        ("file/below.so", Regular, "", &elf),
    ]);
    fs::write(tree.at("evil.tar"), archive).unwrap();
    let done = run(&tree, &["inspect", "--headers", "evil.tar"]);
    let (out, error) = text(&done);
    for inside in ["abs.so", "dir/evil.so", "up/evil.so", "hard", "file"] {
        assert!(
            out.contains(&format!("evil.tar!{inside}: ")),
            "{inside}: {out}{error}"
        );
    }
    assert!(
        error.contains("../../evil.so is left out: its name leads out of the archive"),
        "{error}"
    );
    let entries: Vec<_> = fs::read_dir(&outside)
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(entries, ["secret"]);
    assert_eq!(fs::read_to_string(&secret).unwrap(), "untouched");
    assert!(!tree.root().join("evil.so").exists());
}

/// Runs with little address space, most of which threads take.
fn run_small(tree: &Tree, args: &[&str]) -> Output {
    let line = format!("ulimit -v 1500000; exec {} \"$@\"", crate::support::BINARY);
    Command::new("sh")
        .args(["-c", &line, "sh"])
        .args(args)
        .current_dir(tree.root())
        .output()
        .unwrap()
}

#[test]
fn bombs_take_neither_memory_nor_disk() {
    use tar::EntryType::{GNULongName, Regular};
    let tree = Tree::new();
    // An ELF file of zeroes: a thousand for each byte of the archive.
    let best = flate2::Compression::best();
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), best);
    let mut header = tar::Header::new_gnu();
    header.set_path("libx.so").unwrap();
    header.set_size(3 << 30);
    header.set_cksum();
    packed.write_all(header.as_bytes()).unwrap();
    packed.write_all(b"\x7fELF").unwrap();
    let zeroes = vec![0; 1 << 20];
    for _ in 0..100 {
        packed.write_all(&zeroes).unwrap();
    }
    fs::write(tree.at("bomb.tar.gz"), packed.finish().unwrap()).unwrap();
    // A name of 64 MB.
    let name = vec![b'a'; 64 << 20];
    let long = raw_tar(&[("x", GNULongName, "", &name), ("x", Regular, "", b"")]);
    fs::write(tree.at("name.tar.gz"), gzip(&long)).unwrap();
    // A string of 2^60 bytes.
    let nar = [
        nar_string(b"nix-archive-1"),
        (1_u64 << 60).to_le_bytes().to_vec(),
    ]
    .concat();
    fs::write(tree.at("length.nar"), nar).unwrap();
    for (name, why) in [
        ("bomb.tar.gz", "expands to more than"),
        ("name.tar.gz", "expands to more than"),
        (
            "length.nar",
            "not a Nix archive: a name is longer than any path",
        ),
    ] {
        let done = run_small(&tree, &["inspect", name]);
        let (_, error) = text(&done);
        assert_eq!(done.status.code(), Some(2), "{name}: {error}");
        assert!(error.contains(why), "{name}: {error}");
    }
}

#[test]
fn damaged_and_unknown_archives_say_so() {
    let tree = sample();
    let tar = tar_of(&tree);
    fs::write(tree.at("x.whl"), "hello").unwrap();
    fs::write(tree.at("x.tar.bz2"), b"BZh9").unwrap();
    for name in ["x.whl", "x.tar.bz2"] {
        let done = run(&tree, &["lint", name]);
        assert_eq!(done.status.code(), Some(2));
        assert!(
            text(&done)
                .1
                .contains("an archive in an unknown form: expected .whl"),
            "{name}"
        );
    }
    // Cut off anywhere: an error or a shorter tree, and never a crash.
    for (name, bytes) in [
        ("x.tar.gz", gzip(&tar)),
        ("x.nar", nar_of(&tree)),
        ("x.zip", zip_of(&tree)),
        ("x.deb", deb(&tar)),
    ] {
        for part in 1..8 {
            fs::write(tree.at(name), &bytes[..bytes.len() * part / 8]).unwrap();
            let done = run(&tree, &["inspect", "--headers", name]);
            assert!(
                matches!(done.status.code(), Some(0 | 2)),
                "{name} {part}: {:?}",
                text(&done)
            );
        }
    }
    let done = run(&tree, &["lint", "--fix", "x.nar"]);
    assert_eq!(done.status.code(), Some(2));
}

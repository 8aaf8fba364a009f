//! `closure`: a store made by hand. tests/nix/closure.rs compares with a real Nix.

use crate::support::trees::{Tree, X86_64, err, json, out, status};
use elf_fixtures::Minimal;
use serde_json::Value;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::process::{Command, Output};

/// Hashes of Nix's alphabet.
fn hash(letter: char) -> String {
    format!("{letter}0123456789abcdfghijklmnpqrsvwxy")
}

/// The store of a tree, which is not at the place where files look for it.
fn store(tree: &Tree) {
    for (letter, name, contents) in [
        ('a', "a-1.0", 1000),
        ('b', "b-1.0", 20_000),
        ('c', "c-1.0", 300_000),
        ('d', "d-1.0", 40),
    ] {
        let file = format!("root/nix/store/{}-{name}/lib/data", hash(letter));
        fs::write(tree.at(&file), vec![0; contents]).unwrap();
    }
    // a and b need c, which refers to itself.
    for letter in ['a', 'b', 'c'] {
        let file = format!("root/nix/store/{}-{letter}-1.0/ref", hash(letter));
        fs::write(tree.at(&file), path('c', "c-1.0")).unwrap();
    }
}

/// A store path in the eyes of files.
fn path(letter: char, name: &str) -> String {
    format!("/nix/store/{}-{name}", hash(letter))
}

fn run(tree: &Tree, args: &[&str]) -> Output {
    Command::new(crate::support::BINARY)
        .args(["closure", "--root", "root"])
        .args(args)
        .current_dir(tree.root())
        .env_remove("NIX_STORE")
        .output()
        .unwrap()
}

fn elf(tree: &Tree, name: &str, edit: impl FnOnce(&mut Minimal)) {
    let mut file = Minimal::new(X86_64);
    edit(&mut file);
    fs::write(tree.at(name), file.bytes()).unwrap();
}

/// The object of a path.
fn object(objects: &[Value], path: &str) -> Value {
    let found = objects.iter().find(|object| object["path"] == path);
    found
        .unwrap_or_else(|| panic!("{path}: {objects:?}"))
        .clone()
}

#[test]
fn each_kind_of_use_is_named() {
    let tree = Tree::new();
    store(&tree);
    let library = format!("root{}/lib/liba.so.1", path('a', "a-1.0"));
    elf(&tree, &library, |file| {
        file.soname = Some(b"liba.so.1".to_vec())
    });
    elf(&tree, "t/program", |file| {
        let runpath = [path('a', "a-1.0") + "/lib", path('d', "d-1.0") + "/lib"];
        file.interpreter = Some(format!("{}/ld.so", path('b', "b-1.0")).into_bytes());
        file.runpath = Some(runpath.join(":").into_bytes());
        file.needed = vec![format!("{}/lib/libc.so", path('c', "c-1.0")).into_bytes()];
    });
    fs::write(tree.at("t/text"), path('b', "b-1.0").repeat(3)).unwrap();
    symlink(path('d', "d-1.0"), tree.at("t/link")).unwrap();
    fs::create_dir(tree.at(&format!("t/x-{}-y", hash('c')))).unwrap();
    fs::write(tree.at("t/gone.pc"), path('z', "gone") + "/lib").unwrap();
    let done = run(&tree, &["--json", "t"]);
    assert_eq!((status(&done), err(&done).as_str()), (0, ""));
    let objects = json(&done);
    let kinds = |letter, name| -> Vec<String> {
        let uses = object(&objects, &path(letter, name))["uses"].clone();
        let uses = uses.as_array().unwrap().iter();
        uses.map(|one| {
            let word = |key: &str| one[key].as_str().unwrap_or_default().to_owned();
            format!("{} {} {}", word("file"), word("kind"), one["count"])
        })
        .collect()
    };
    assert_eq!(kinds('a', "a-1.0"), ["t/program runpath 1"]);
    assert_eq!(
        kinds('b', "b-1.0"),
        ["t/program interpreter 1", "t/text text 3"]
    );
    let directory = format!("t/x-{}-y name 1", hash('c'));
    assert_eq!(kinds('c', "c-1.0"), ["t/program needed 1", &directory]);
    assert_eq!(
        kinds('d', "d-1.0"),
        ["t/link link 1", "t/program runpath 1"]
    );
    assert_eq!(kinds('z', "gone"), ["t/gone.pc text 1"]);
    let gone = object(&objects, &path('z', "gone"));
    assert_eq!(
        (&gone["present"], &gone["size"]),
        (&false.into(), &Value::Null)
    );
    let order: Vec<&str> = objects.iter().filter_map(|o| o["path"].as_str()).collect();
    let wanted = [
        ('b', "b-1.0"),
        ('a', "a-1.0"),
        ('c', "c-1.0"),
        ('d', "d-1.0"),
        ('z', "gone"),
    ];
    assert_eq!(order, wanted.map(|(letter, name)| path(letter, name)));
}

#[test]
fn sizes_are_those_of_closures_and_of_single_references() {
    let tree = Tree::new();
    store(&tree);
    let text = [path('a', "a-1.0"), path('b', "b-1.0"), path('d', "d-1.0")].join("\n");
    fs::write(tree.at("t/text"), text).unwrap();
    let objects = json(&run(&tree, &["--json", "t"]));
    let sums = |letter| {
        let object = object(&objects, &path(letter, &format!("{letter}-1.0")));
        ["size", "closure", "alone"].map(|key| match &object[key] {
            Value::Number(number) => (1, number.as_u64().unwrap()),
            sum => (
                sum["paths"].as_u64().unwrap(),
                sum["bytes"].as_u64().unwrap(),
            ),
        })
    };
    let [a, b, d] = ['a', 'b', 'd'].map(sums);
    // c is kept by a and by b.
    let c = a[1].1 - a[0].1;
    assert!(c > 300_000, "{a:?}");
    assert_eq!((a[1].0, a[2]), (2, a[0]));
    assert_eq!((b[1], b[2]), ((2, b[0].1 + c), b[0]));
    assert_eq!((d[1], d[2]), (d[0], d[0]));
    let summary = &objects.last().unwrap()["summary"];
    assert_eq!(summary["kept"]["paths"], 4);
    assert_eq!(summary["kept"]["bytes"], a[1].1 + b[0].1 + d[0].1);
    let direct = json(&run(&tree, &["--json", "--direct", "t"]));
    assert_eq!(object(&direct, &path('a', "a-1.0"))["size"], a[0].1);
    assert_eq!(object(&direct, &path('a', "a-1.0"))["closure"], Value::Null);
    // Both together keep c alive.
    let both = format!("{}\n{}", path('a', "a-1.0"), path('b', "b-1.0"));
    fs::write(tree.at("t/text"), both).unwrap();
    let text = out(&run(&tree, &["t"]));
    assert!(text.contains("text or data: t/text\n"), "{text}");
}

#[test]
fn a_tree_in_the_store_does_not_refer_to_itself() {
    let tree = Tree::new();
    store(&tree);
    let a = format!("root{}", path('a', "a-1.0"));
    fs::write(tree.at(&format!("{a}/self")), path('a', "a-1.0")).unwrap();
    let paths = |args: &[&str]| -> Vec<String> {
        let objects = json(&run(&tree, &[&["--json"], args].concat()));
        let paths = objects.iter().filter_map(|object| object["path"].as_str());
        paths.map(str::to_owned).collect()
    };
    assert_eq!(paths(&[&a]), [path('c', "c-1.0")]);
    symlink(&a, tree.at("result")).unwrap();
    assert_eq!(paths(&["result"]), [path('c', "c-1.0")]);
    assert_eq!(paths(&[&format!("{a}/self")]), [""; 0]);
    // Outputs of one package are one tree.
    assert_eq!(
        paths(&[&a, &format!("root{}", path('c', "c-1.0"))]),
        [""; 0]
    );
    assert_eq!(paths(&["root"]), [""; 0]);
}

/// `fixup --shrink` frees the paths that the report says, and no other.
#[test]
fn the_paths_that_shrink_frees_are_gone_behind_it() {
    let tree = Tree::new();
    store(&tree);
    let library = |letter: char, name: &str| {
        let file = format!("root{}/lib/{name}", path(letter, &format!("{letter}-1.0")));
        elf(&tree, &file, |file| {
            file.soname = Some(name.as_bytes().to_vec())
        });
    };
    library('a', "liba.so.1");
    library('b', "libb.so.1");
    library('d', "libd.so.1");
    // The loader finds the libraries at their real places, so the store is there, too.
    let real = |letter| {
        tree.text(&format!(
            "root{}/lib",
            path(letter, &format!("{letter}-1.0"))
        ))
    };
    elf(&tree, "t/one", |file| {
        file.needed = vec![b"liba.so.1".to_vec()];
        file.runpath = Some([real('a'), real('b'), real('d')].join(":").into_bytes());
    });
    elf(&tree, "t/two", |file| {
        file.runpath = Some([real('d'), real('c')].join(":").into_bytes());
    });
    fs::write(tree.at("t/text"), real('c')).unwrap();
    let store = tree.text("root/nix/store");
    let look = || {
        let done = Command::new(crate::support::BINARY)
            .args(["closure", "--json", "--store", &store, "t"])
            .current_dir(tree.root())
            .output()
            .unwrap();
        json(&done)
    };
    let before = look();
    let names = |objects: &[Value], goes: Option<bool>| -> Vec<char> {
        let wanted = objects.iter().filter(|object| {
            object["path"].is_string() && goes.is_none_or(|goes| object["goes_with_shrink"] == goes)
        });
        let names = wanted.map(|object| {
            let path = object["path"].as_str().unwrap();
            path[store.len() + 1..].chars().next().unwrap()
        });
        let mut names: Vec<char> = names.collect();
        names.sort();
        names
    };
    assert_eq!(names(&before, Some(true)), ['b', 'd']);
    assert_eq!(names(&before, Some(false)), ['a', 'c']);
    let serves = object(&before, &format!("{store}/{}-a-1.0", hash('a')))["uses"][0].clone();
    assert_eq!(serves["serves"], serde_json::json!(["liba.so.1"]));
    let kept = |objects: &[Value], key: &str| {
        objects.last().unwrap()["summary"][key]["bytes"]
            .as_u64()
            .unwrap()
    };
    let done = tree.run(&["fixup", "--shrink", "t"]);
    assert_eq!(status(&done), 0, "{}", err(&done));
    let after = look();
    assert_eq!(names(&after, None), ['a', 'c']);
    assert_eq!(
        kept(&before, "kept") - kept(&before, "shrink_frees"),
        kept(&after, "kept")
    );
    assert_eq!(kept(&after, "shrink_frees"), 0);
}

#[test]
fn archives_are_read_whole() {
    let tree = Tree::new();
    store(&tree);
    fs::write(tree.at("t/a"), path('a', "a-1.0")).unwrap();
    let long = " ".repeat(100_000) + &path('b', "b-1.0");
    fs::write(tree.at("t/data"), long).unwrap();
    symlink(path('d', "d-1.0"), tree.at("t/link")).unwrap();
    let mut tar = tar::Builder::new(Vec::new());
    tar.follow_symlinks(false);
    tar.append_dir_all(".", tree.at("t")).unwrap();
    fs::write(tree.at("t.tar"), tar.into_inner().unwrap()).unwrap();
    let of = |name: &str| {
        let done = run(&tree, &["-v", name]);
        assert_eq!(status(&done), 0, "{}", err(&done));
        out(&done)
    };
    assert_eq!(of("t.tar").replace("t.tar!", "t/"), of("t"));
}

#[test]
fn hostile_trees_are_bounded_and_reported() {
    let tree = Tree::new();
    store(&tree);
    // References across the ends of windows, behind a hole, and in a name that is no text.
    let file = File::create(tree.at("t/sparse")).unwrap();
    file.set_len(1 << 40).unwrap();
    for (at, letter) in [
        ((256 << 10) - 20, 'a'),
        ((256 << 10) + 600, 'a'),
        (1 << 39, 'b'),
    ] {
        let path = path(letter, &format!("{letter}-1.0"));
        file.write_all_at(path.as_bytes(), at).unwrap();
    }
    let odd = [b"t/\xff\n-".as_slice(), &path('c', "x").as_bytes()[11..]].concat();
    fs::write(tree.root().join(std::ffi::OsStr::from_bytes(&odd)), "").unwrap();
    symlink("nowhere", tree.at("t/broken")).unwrap();
    symlink(".", tree.at("t/around")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, tree.at("t/fifo"), 0o600.into()).unwrap();
    let done = run(&tree, &["--json", "t"]);
    assert_eq!((status(&done), err(&done).as_str()), (0, ""));
    let objects = json(&done);
    let count =
        |letter| object(&objects, &path(letter, &format!("{letter}-1.0")))["occurrences"].clone();
    assert_eq!(
        ["a", "b", "c"].map(|name| count(name.chars().next().unwrap())),
        [2, 1, 1]
    );
    let text = object(&objects, &path('c', "c-1.0"))["uses"][0]["file"].clone();
    assert!(text.as_str().unwrap().starts_with(r"t/\xff\x0a-"), "{text}");
    // More paths that are not there than are kept.
    let mut file = File::create(tree.at("many/file")).unwrap();
    for number in 0..50_000 {
        writeln!(file, "/nix/store/{number:032}-x").unwrap();
    }
    let done = run(&tree, &["--json", "many"]);
    let objects = json(&done);
    assert_eq!(objects.len(), 1001);
    assert_eq!(objects[1000]["summary"]["more_absent"], true);
    assert!(objects[0]["path"].as_str().unwrap().ends_with("00000-x"));
    let threads = run(&tree, &["--json", "many", "--jobs", "1"]);
    assert_eq!(done.stdout, threads.stdout);
    for name in ["gone", "t/fifo"] {
        let done = run(&tree, &["t", name]);
        assert_eq!(status(&done), 2);
        assert!(
            err(&done).contains(&format!("error: {name}: ")),
            "{}",
            err(&done)
        );
        assert!(out(&done).contains("a-1.0"));
    }
}

#[test]
fn a_file_that_may_not_be_read_is_an_error() {
    let tree = Tree::new();
    store(&tree);
    fs::write(tree.at("t/file"), path('a', "a-1.0")).unwrap();
    fs::write(tree.at("t/secret"), "").unwrap();
    fs::set_permissions(tree.at("t/secret"), fs::Permissions::from_mode(0o000)).unwrap();
    fs::set_permissions(tree.root(), fs::Permissions::from_mode(0o755)).unwrap();
    let words = ["closure", "--root", "root", "t"];
    let mut command = Command::new(crate::support::BINARY);
    if rustix::process::geteuid().is_root() {
        // Root reads any file.
        command = Command::new("setpriv");
        let binary = tree.at("bin/cuda-fixup");
        crate::support::copy_binary(&binary);
        command
            .args(["--reuid=65534", "--clear-groups"])
            .arg(binary);
    }
    let done = command
        .args(words)
        .current_dir(tree.root())
        .output()
        .unwrap();
    assert!(out(&done).contains("a-1.0"), "{}", err(&done));
    assert_eq!(status(&done), 2);
    assert!(
        err(&done).contains("error: t/secret: cannot be read: Permission denied"),
        "{}",
        err(&done)
    );
}

#[test]
fn the_page_of_a_package_has_its_closure() {
    let tree = Tree::new();
    store(&tree);
    let store = tree.text("root/nix/store");
    let real = |letter: char| format!("{store}/{}-{letter}-1.0/lib", hash(letter));
    elf(&tree, "t/<b>one</b>", |file| {
        file.runpath = Some(real('d').into_bytes());
    });
    fs::write(tree.at("t/text"), real('a')).unwrap();
    let page = |args: &[&str]| {
        let done = Command::new(crate::support::BINARY)
            .args(["report", "--store", &store, "--output", "-"])
            .args(args)
            .current_dir(tree.root())
            .output()
            .unwrap();
        crate::support::succeeded(&done)
    };
    let text = page(&["t"]);
    let section = text.split("<section id=\"closure\">").nth(1).unwrap();
    let section = section.split("</section>").next().unwrap();
    for wanted in [
        "-a-1.0</code></td><td>",
        "-d-1.0</code> <span class=\"badge warning\">goes with --shrink</span>",
        "unused RUNPATH entry: 1 file",
        "<code>t/&lt;b&gt;one&lt;/b&gt;</code>",
        "--shrink: 1 path less",
    ] {
        assert!(section.contains(wanted), "{wanted}: {section}");
    }
    assert!(text.contains("<a href=\"#closure\">Closure</a>"));
    // No package of Nix, no section.
    elf(&tree, "plain/lib.so", |_| {});
    assert!(!page(&["plain"]).contains("closure\""));
}

//! `fixup` of a tree outside of the store: a tree that works wherever it is moved.

use crate::support::trees::*;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Output};

/// app/bin/tool needs app/lib/libone.so.1, which needs app/lib/sub/libtwo.so and out/libfar.so.
fn app() -> Tree {
    let tree = Tree::new();
    let two = tree.library("app/lib/sub/libtwo.so", &[]);
    let far = tree.library("out/libfar.so", &[]);
    let needs = [two.to_str().unwrap(), far.to_str().unwrap()];
    let one = tree.library("app/lib/libone.so.1", &needs);
    program(&tree, "app/bin/tool", &one, &[]);
    tree
}

fn program(tree: &Tree, name: &str, one: &Path, more: &[&str]) {
    let rpath_link = format!(
        "-Wl,-rpath-link,{}:{}",
        tree.text("app/lib/sub"),
        tree.text("out")
    );
    let args = [one.to_str().unwrap(), &rpath_link];
    tree.program(name, "one", &[&args[..], more].concat());
}

fn in_store(tree: &Tree, store: &Path, args: &[&str]) -> Output {
    Command::new(BINARY)
        .current_dir(tree.root())
        .args(args)
        .env("NIX_STORE", store)
        .output()
        .unwrap()
}

const FIXUP: [&str; 4] = ["fixup", "app", "--lib", "out"];

#[test]
fn a_tree_outside_of_the_store_can_be_moved_and_copied() {
    let tree = app();
    let done = tree.run(&FIXUP);
    assert_eq!(status(&done), 0, "{done:?}");
    assert_eq!(err(&done), "");
    let tool = tree.at("app/bin/tool");
    assert_eq!(runpath(&tool).as_deref(), Some("$ORIGIN/../lib"));
    // A --lib outside of the tree stays where it is, and so does the entry for it.
    let one = runpath(&tree.at("app/lib/libone.so.1"));
    assert_eq!(one, Some(format!("$ORIGIN/sub:{}", tree.text("out"))));
    assert!(runs(&tool));
    fs::rename(tree.root().join("app"), tree.root().join("moved")).unwrap();
    assert!(runs(&tree.root().join("moved/bin/tool")));
    let again = tree.run(&["fixup", "moved", "--lib", "out", "--json"]);
    let files = json(&again);
    assert!(files[..3].iter().all(|o| o["status"] == "unchanged"));
}

#[test]
fn a_tree_in_the_store_keeps_absolute_entries() {
    let absolute = |tree: &Tree| Some(tree.text("app/lib"));
    let tree = app();
    let done = in_store(&tree, tree.root(), &FIXUP);
    assert_eq!(status(&done), 0, "{done:?}");
    assert_eq!(runpath(&tree.at("app/bin/tool")), absolute(&tree));
    // By real paths: a link beside the store leads into it, and the store's name may be a link.
    let tree = app();
    symlink(tree.root().join("app"), tree.at("link/app")).unwrap();
    symlink(tree.root(), tree.at("link/store")).unwrap();
    let args = ["fixup", "link/app", "--lib", "out"];
    let done = in_store(&tree, &tree.root().join("link/store"), &args);
    assert_eq!(status(&done), 0, "{done:?}");
    assert_eq!(runpath(&tree.at("app/bin/tool")), absolute(&tree));
    // The results for hooks stay the same.
    for option in ["--relative=off", "--old-entries=keep", "--existing=keep"] {
        let tree = app();
        let done = tree.run(&[&FIXUP[..], &[option]].concat());
        assert_eq!(status(&done), 0, "{done:?}");
        assert_eq!(runpath(&tree.at("app/bin/tool")), absolute(&tree));
    }
}

#[test]
fn an_entry_that_leads_there_already_wins_alone() {
    let tree = app();
    let two = tree.text("app/lib/sub/libtwo.so");
    let far = tree.text("out/libfar.so");
    for old in ["$ORIGIN/sub", "${ORIGIN}/./sub/", "$ORIGIN/../lib/sub"] {
        let rpath = format!("-Wl,-rpath,{old}:{}", tree.text("out"));
        let one = tree.library("app/lib/libone.so.1", &[&two, &far, &rpath]);
        let done = tree.run(&FIXUP);
        assert_eq!(status(&done), 0, "{done:?}");
        assert_eq!(runpath(&one), Some(format!("{old}:{}", tree.text("out"))));
    }
    // An absolute one into the tree would lead a copy to the old place.
    let absolute = format!("-Wl,-rpath,{}", tree.text("app/lib/sub"));
    let one = tree.library("app/lib/libone.so.1", &[&two, &far, &absolute]);
    assert_eq!(status(&tree.run(&FIXUP)), 0);
    let expected = format!("$ORIGIN/sub:{}", tree.text("out"));
    assert_eq!(runpath(&one), Some(expected));
    // One that isn't needed, too.
    let unused = format!("-Wl,-rpath,{}", tree.text("app/share/plugins"));
    let lone = tree.library("app/lib/liblone.so", &[&unused]);
    assert_eq!(status(&tree.run(&FIXUP)), 0);
    assert_eq!(runpath(&lone).as_deref(), Some("$ORIGIN/../share/plugins"));
}

#[test]
fn programs_with_privileges_have_absolute_entries() {
    type Grant = fn(&Path);
    let mode = |mode| {
        move |path: &Path| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap()
    };
    let set_user: &dyn Fn(&Path) = &mode(0o4755);
    let set_group: &dyn Fn(&Path) = &mode(0o2755);
    // cap_net_raw, permitted (struct vfs_cap_data, revision 2).
    let capability: Grant = |path| {
        let mut value = [0u8; 20];
        value[3] = 2;
        value[5] = 0x20;
        let flags = rustix::fs::XattrFlags::empty();
        rustix::fs::setxattr(path, "security.capability", &value, flags).unwrap();
    };
    let mut grants = vec![
        ("set-user-ID program", set_user),
        ("set-group-ID program", set_group),
    ];
    // Only root may grant a capability.
    if rustix::process::geteuid().is_root() {
        grants.push(("program with file capabilities", &capability));
    }
    for (what, grant) in grants {
        let tree = app();
        let one = tree.at("app/lib/libone.so.1");
        let origin = "-Wl,-rpath,$ORIGIN/../lib";
        program(&tree, "app/bin/tool", &one, &[origin]);
        let tool = tree.at("app/bin/tool");
        grant(&tool);
        let done = tree.run(&FIXUP);
        assert_eq!(status(&done), 0, "{done:?}");
        let line = format!("warning: app/bin/tool: the loader ignores $ORIGIN in a {what}");
        assert!(err(&done).starts_with(&line), "{done:?}");
        assert_eq!(err(&done).lines().count(), 1, "{done:?}");
        let expected = format!("{}:$ORIGIN/../lib", tree.text("app/lib"));
        assert_eq!(runpath(&tool), Some(expected));
        // Its libraries' own $ORIGIN works.
        let one = runpath(&one).unwrap();
        assert!(one.starts_with("$ORIGIN/sub:"), "{one}");
        let json = json(&tree.run(&[&FIXUP[..], &["--json"]].concat()));
        assert_eq!(json[0]["stays_absolute"], "privileged");
    }
}

/// The loader takes the directory of the name by which it opened a library for `$ORIGIN`.
#[test]
fn a_library_with_a_link_outside_of_the_tree_has_absolute_entries() {
    let line = |link: &str| {
        format!("warning: app/lib/libone.so.1: the link {link} leads to it, and $ORIGIN is")
    };
    let expected = |tree: &Tree| {
        let (sub, out) = (tree.text("app/lib/sub"), tree.text("out"));
        Some(format!("{sub}:{out}"))
    };
    for (link, args) in [
        ("out/libone.so.1", &FIXUP[..]),
        (
            "other/libone.so.1",
            &["fixup", "app", "other", "--lib", "out"],
        ),
        (
            "other/libone.so.1",
            &["fixup", "app", "other/libone.so.1", "--lib", "out"],
        ),
        (
            "other/libone.so.1",
            &["fixup", "app", "--lib", "other/libone.so.1", "--lib", "out"],
        ),
        // In the tree, and of another name: only the link has the name that programs need.
        ("app/plugins/libplugin.so", &FIXUP[..]),
    ] {
        let tree = app();
        symlink(tree.at("app/lib/libone.so.1"), tree.at(link)).unwrap();
        let done = tree.run(args);
        assert_eq!(status(&done), 0, "{done:?}");
        assert!(err(&done).contains(&line(link)), "{link}: {done:?}");
        assert_eq!(err(&done).lines().count(), 1, "{done:?}");
        assert_eq!(runpath(&tree.at("app/lib/libone.so.1")), expected(&tree));
        let again = tree.run(args);
        assert!(out(&again).contains(" 0 changed"), "{again:?}");
    }
    // A link within the tree of the same name changes nothing, nor does one to a program.
    let tree = app();
    symlink("../lib/libone.so.1", tree.at("app/lib64/libone.so.1")).unwrap();
    symlink(tree.at("app/bin/tool"), tree.at("out/tool")).unwrap();
    let done = tree.run(&FIXUP);
    assert_eq!((status(&done), err(&done)), (0, String::new()));
    let one = runpath(&tree.at("app/lib/libone.so.1")).unwrap();
    assert!(one.starts_with("$ORIGIN/sub:"), "{one}");
}

#[test]
fn relative_entries_go_as_empty_ones_do() {
    let tree = Tree::new();
    let set = "-Wl,-rpath,lib::../x:$ORIGIN/y:$LIB/z:/etc:/etc/";
    let lib = tree.library("libone.so", &[set]);
    let told = out(&tree.run(&["fixup", ".", "-n"]));
    for entry in ["lib", "../x", "$LIB/z"] {
        let line = format!("- {entry}  dropped: a relative entry depends on");
        assert!(told.contains(&line), "{told}");
    }
    assert!(
        told.contains("- /etc/  dropped: is there already"),
        "{told}"
    );
    assert_eq!(status(&tree.run(&["fixup", "."])), 0);
    assert_eq!(runpath(&lib).as_deref(), Some("$ORIGIN/y:/etc"));
    let lib = tree.library("libone.so", &[set]);
    let keep = ["fixup", ".", "--old-entries=keep"];
    assert_eq!(status(&tree.run(&keep)), 0);
    let kept = "lib:../x:$ORIGIN/y:$LIB/z:/etc:/etc/";
    assert_eq!(runpath(&lib).as_deref(), Some(kept));
}

/// Entries of the machine that built the file, which anyone could create here.
#[test]
fn build_directories_that_are_not_there_go() {
    let tree = Tree::new();
    fs::create_dir(tree.at("tmp")).unwrap();
    let there = tree.at("tmp").display().to_string();
    let gone = [
        "/project/build/lib",
        "/srv/tmp/mpi/lib",
        "/home/nobody-at-all/lib",
    ];
    let old = format!(
        "{}:{there}:/usr/local/cuda-99/lib64:$ORIGIN",
        gone.join(":")
    );
    let set = format!("-Wl,-rpath,{old}");
    let lib = tree.library("libone.so", &[&set]);
    let shown = out(&tree.run(&["fixup", ".", "-n"]));
    for entry in gone {
        let line = format!("- {entry}  dropped: a build directory, which doesn't exist");
        assert!(shown.contains(&line), "{shown}");
    }
    // One that is there stays, and so do hooks' and those that the user asks for.
    assert_eq!(status(&tree.run(&["fixup", ".", "--old-entries=keep"])), 0);
    assert_eq!(runpath(&lib).as_deref(), Some(&*old));
    let asked = ["fixup", ".", "--append-runpath", gone[1], "--relative=off"];
    for _ in 0..2 {
        assert_eq!(status(&tree.run(&asked)), 0);
        let left = format!("{}:{there}:/usr/local/cuda-99/lib64:$ORIGIN", gone[1]);
        assert_eq!(runpath(&lib).as_deref(), Some(&*left));
    }
    let before = tree.state();
    assert_eq!(status(&tree.run(&asked)), 0);
    assert_eq!(tree.state(), before);
}

#[test]
fn a_lib_that_is_not_there_is_an_error_before_anything_is_written() {
    let tree = app();
    fs::write(tree.at("file"), "").unwrap();
    let before = tree.state();
    for lib in ["gone", "file/x"] {
        let done = tree.run(&["fixup", "app", "--lib", "out", "--lib", lib]);
        assert_eq!(status(&done), 2, "{done:?}");
        let told = err(&done);
        assert!(
            told.contains(&format!("--lib {lib}: nothing was changed")),
            "{told}"
        );
        assert_eq!(tree.state(), before);
    }
}

/// A colon ends an entry and a dollar sign begins a token: such a directory is found from the file,
/// or is no entry.
#[test]
fn directories_that_an_entry_cannot_name() {
    for name in ["a:b", "a$LIB", "a${ORIGIN}"] {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join(name);
        fs::create_dir_all(root.join("lib")).unwrap();
        fs::create_dir_all(root.join("bin")).unwrap();
        let cc = |args: &[&str], source: &str| {
            fs::write(root.join("x.c"), source).unwrap();
            let mut cc = Command::new("gcc");
            cc.current_dir(&root)
                .args(args)
                .arg("x.c")
                .args(["-Llib", "-lx"]);
            cc
        };
        let library = [
            "-shared",
            "-fPIC",
            "-Wl,-soname,libx.so",
            "-o",
            "lib/libx.so",
        ];
        fs::write(root.join("x.c"), "int f(void) { return 0; }").unwrap();
        let made = Command::new("gcc")
            .current_dir(&root)
            .args(library)
            .arg("x.c")
            .status();
        assert!(made.unwrap().success());
        let main = "int f(void); int main(void) { return f(); }";
        let made = cc(&["-o", "bin/app"], main)
            .arg("-Wl,--no-as-needed")
            .status();
        assert!(made.unwrap().success());
        let fixup = |args: &[&str]| {
            let mut fixup = Command::new(env!("CARGO_BIN_EXE_cuda-fixup"));
            fixup.arg("fixup").args(args).env_remove("NIX_STORE");
            fixup.current_dir(dir.path()).output().unwrap()
        };
        // The file alone: nothing is written that would lead elsewhere.
        let lib = format!("{name}/lib");
        let app = format!("{name}/bin/app");
        let alone = fixup(&["--lib", &lib, &app]);
        assert_eq!(alone.status.code(), Some(1), "{alone:?}");
        let text = String::from_utf8_lossy(&alone.stderr).into_owned();
        assert!(text.contains("a colon or a dollar sign"), "{text}");
        // The tree.
        let tree = fixup(&[name]);
        assert_eq!(tree.status.code(), Some(0), "{tree:?}");
        assert!(
            Command::new(root.join("bin/app"))
                .status()
                .unwrap()
                .success()
        );
        let again = String::from_utf8_lossy(&fixup(&[name]).stderr).into_owned();
        assert!(
            !again.contains(" changed") || again.contains("0 changed"),
            "{again}"
        );
    }
}

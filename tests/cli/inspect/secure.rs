//! Secure-execution mode: programs that are set-uid, set-gid or have file capabilities, run by
//! root and by an ordinary user, and inspect asked by the same user.

use super::workshop::{BINARY, Workshop};
use crate::support::{as_root, copy_binary};
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::{Command, Output};

/// IDs of nobody and nogroup in Debian.
const NOBODY: u32 = 65534;

fn run(command: &mut Command) -> Output {
    command.env("LC_ALL", "C").output().unwrap()
}

/// A command that runs as this user, root or unprivileged.
fn by(user: u32, program: &Path) -> Command {
    let mut command = match user {
        0 => Command::new(program),
        _ => Command::new("setpriv"),
    };
    if user != 0 {
        let ids = [format!("--reuid={user}"), format!("--regid={user}")];
        command.args(ids).arg("--clear-groups").arg(program);
    }
    command.env_remove("LD_LIBRARY_PATH");
    command
}

/// inspect says of a program what running it shows, for either user.
fn agrees(shop: &Workshop, what: &str, library_path: &str) -> [bool; 2] {
    let exe = shop.at("app");
    // The test's own copy of the binary lies below a directory that only root may enter.
    let binary = shop.at("cuda-fixup");
    copy_binary(&binary);
    [0, NOBODY].map(|user| {
        let real = run(by(user, &exe).env("LD_LIBRARY_PATH", library_path));
        let ours = run(by(user, &binary)
            .args(["inspect", "--check"])
            .arg(&exe)
            .env("LD_LIBRARY_PATH", library_path));
        assert!(
            [Some(0), Some(127)].contains(&real.status.code()),
            "{real:?}"
        );
        let starts = real.status.success();
        let code = if starts { 0 } else { 1 };
        let text = String::from_utf8_lossy(&ours.stdout).into_owned();
        assert_eq!(
            ours.status.code(),
            Some(code),
            "{what}, user {user}: {text}"
        );
        if !starts {
            let who = if user == 0 {
                "run by root"
            } else {
                "run by the user with ID 65534"
            };
            assert!(text.contains(who) || what == "plain", "{text}");
        }
        // Asked by root for that user.
        let asked = run(by(0, &binary)
            .args(["inspect", "--check", "--user", &user.to_string()])
            .arg(&exe)
            .env("LD_LIBRARY_PATH", library_path));
        assert_eq!(asked.status.code(), Some(code), "{what}, --user {user}");
        starts
    })
}

/// Makes the program again: writing drops its rights.
fn build(shop: &Workshop, runpath: &str) {
    let _ = fs::remove_file(shop.at("app"));
    let flag = format!("-Wl,-rpath,{runpath}");
    let mut flags = vec!["-Lopt", "-lfoo"];
    flags.extend((!runpath.is_empty()).then_some(flag.as_str()));
    shop.exe("app", &flags);
}

/// Description, preparation, and whether the program starts for root and for an unprivileged user.
type Case<'a> = (&'a str, &'a dyn Fn(), [bool; 2]);

#[test]
fn rights_that_a_program_gives_decide_what_counts() {
    as_root(
        "inspect::secure::rights_that_a_program_gives_decide_what_counts",
        rights_decide_what_counts,
    );
}

fn rights_decide_what_counts() {
    let shop = Workshop::new();
    fs::set_permissions(&shop.path, Permissions::from_mode(0o755)).unwrap();
    shop.lib("opt/libfoo.so", &[]);
    let opt = shop.at("opt").to_str().unwrap().to_owned();
    let app = shop.at("app");
    let owned = |uid: u32, gid: u32, mode: u32| {
        chown(&app, Some(uid), Some(gid)).unwrap();
        fs::set_permissions(&app, Permissions::from_mode(mode)).unwrap();
    };
    let capable = |what: &str| {
        let done = run(Command::new("setcap").arg(what).arg(&app));
        assert!(done.status.success(), "{done:?}");
    };
    for (runpath, library_path) in [("", opt.as_str()), ("$ORIGIN/opt", ""), (&opt, "")] {
        let absolute = runpath.starts_with('/');
        let cases: [Case; 8] = [
            ("plain", &|| {}, [true, true]),
            (
                "set-uid nobody",
                &|| owned(NOBODY, 0, 0o4755),
                [false, true],
            ),
            ("set-uid root", &|| owned(0, 0, 0o4755), [true, false]),
            (
                "set-gid nogroup",
                &|| owned(0, NOBODY, 0o2755),
                [false, true],
            ),
            ("set-gid root", &|| owned(0, 0, 0o2755), [true, false]),
            // Without the group's right to execute it is no set-gid program.
            (
                "set-gid without x",
                &|| owned(0, NOBODY, 0o2745),
                [true, true],
            ),
            ("capability", &|| capable("cap_net_raw+ep"), [true, false]),
            (
                "inheritable capability",
                &|| capable("cap_net_raw+i"),
                [true, true],
            ),
        ];
        for (what, make, starts) in cases {
            build(&shop, runpath);
            make();
            let expected = if absolute { [true, true] } else { starts };
            assert_eq!(
                agrees(&shop, what, library_path),
                expected,
                "{what} {runpath}"
            );
        }
    }
}

#[test]
fn a_librarys_own_origin_counts_and_the_report_says_for_whom_it_holds() {
    as_root(
        "inspect::secure::a_librarys_own_origin_counts_and_the_report_says_for_whom_it_holds",
        a_librarys_own_origin_counts,
    );
}

fn a_librarys_own_origin_counts() {
    let shop = Workshop::new();
    fs::set_permissions(&shop.path, Permissions::from_mode(0o755)).unwrap();
    shop.lib("opt/libg.so", &[]);
    shop.lib("opt/libf.so", &["-Lopt", "-lg", "-Wl,-rpath,$ORIGIN"]);
    let flag = format!("-Wl,-rpath,{}", shop.at("opt").display());
    shop.exe("app", &["-Lopt", "-lf", "-Wl,-rpath-link,opt", &flag]);
    let app = shop.at("app");
    chown(&app, Some(NOBODY), None).unwrap();
    fs::set_permissions(&app, Permissions::from_mode(0o4755)).unwrap();
    assert_eq!(agrees(&shop, "set-uid nobody", ""), [true, true]);

    build_and_set(&shop, "$ORIGIN/opt");
    let output = shop.inspect(&["app"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("set-uid; this is the answer for root"),
        "{text}"
    );
    assert!(
        text.contains("an ordinary user: secure-execution mode"),
        "{text}"
    );
    assert!(text.contains("it will not load"), "{text}");
    let json = shop.json(&shop.at("app"), &[]);
    assert_eq!(json["loads"], true);
    assert_eq!(json["loaded_by"]["loads_for_ordinary_user"], false);
    let other = shop.json(&shop.at("app"), &["--user", "1000"]);
    assert_eq!(other["loads"], false);
    assert_eq!(other["loaded_by"]["secure"], true);
    // A package is linted for all users.
    let lint = run(Command::new(BINARY)
        .args(["lint", "--store", "/"])
        .arg(shop.at("app")));
    let text = String::from_utf8(lint.stdout).unwrap();
    assert!(text.contains("error[needed-not-found]"), "{text}");
}

fn build_and_set(shop: &Workshop, runpath: &str) {
    shop.lib("opt/libfoo.so", &[]);
    build(shop, runpath);
    fs::set_permissions(shop.at("app"), Permissions::from_mode(0o4755)).unwrap();
}

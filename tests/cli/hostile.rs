//! Input that isn't what it seems, for the applets that read trees: as root and as an ordinary user.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const APPLETS: [&[&str]; 4] = [
    &["inspect"],
    &["lint"],
    &["fixup", "--dry-run"],
    &["device-code", "list"],
];
/// The user without rights of any file.
const ORDINARY: u32 = 65534;

/// Runs the program, which must end, and not by a signal or a panic.
fn ends(binary: &Path, user: Option<u32>, args: &[&OsStr], out: Stdio) -> (i32, String) {
    let mut command = Command::new(binary);
    command
        .args(args)
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(Stdio::piped());
    command.current_dir("/").env_remove("LD_LIBRARY_PATH");
    if let Some(user) = user {
        command.uid(user).gid(user);
    }
    let mut child = command.spawn().unwrap();
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() {
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "{args:?} does not end"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    let output = child.wait_with_output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(!err.contains("panicked"), "{args:?}: {err}");
    assert!(!err.contains("(os error"), "{args:?}: {err}");
    let code = output.status.code();
    (
        code.unwrap_or_else(|| panic!("{args:?}: {}", output.status)),
        err,
    )
}

/// Files of all kinds; those that every applet refuses when they are named come first.
fn inputs(dir: &Path) -> (Vec<PathBuf>, Vec<PathBuf>) {
    let at = |name: &[u8]| dir.join(OsStr::from_bytes(name));
    assert!(
        Command::new("mkfifo")
            .arg(at(b"fifo"))
            .status()
            .unwrap()
            .success()
    );
    drop(UnixListener::bind(at(b"socket")).unwrap());
    symlink("loop", at(b"loop")).unwrap();
    symlink("gone", at(b"dangling")).unwrap();
    fs::create_dir(at(b"up")).unwrap();
    symlink("..", at(b"up/parent")).unwrap();
    fs::write(at(b"empty"), "").unwrap();
    let elf = fs::read("/proc/self/exe").unwrap();
    fs::write(at(b"truncated.so"), &elf[..200]).unwrap();
    for name in [
        &b"new\nline.so"[..],
        b"\xff\xfe.so",
        b"\x1b[31mred.so",
        b"-n.so",
    ] {
        fs::write(at(name), &elf[..1000]).unwrap();
    }
    fs::write(at(b"secret.so"), &elf[..1000]).unwrap();
    fs::set_permissions(at(b"secret.so"), fs::Permissions::from_mode(0o0)).unwrap();
    let mut refused: Vec<PathBuf> = [&b"fifo"[..], b"socket", b"loop", b"dangling", b"missing"]
        .map(at)
        .to_vec();
    refused.extend(["/dev/zero", "/dev/null"].map(PathBuf::from));
    let names = [
        &b"empty"[..],
        b"truncated.so",
        b"new\nline.so",
        b"\xff\xfe.so",
        b"\x1b[31mred.so",
        b"-n.so",
        b"secret.so",
        b"up",
        b"",
    ];
    (refused, names.map(at).to_vec())
}

#[test]
fn hostile_input_is_refused_or_passed_over_for_every_user() {
    let dir = tempfile::tempdir().unwrap();
    let open = fs::Permissions::from_mode(0o755);
    fs::set_permissions(dir.path(), open.clone()).unwrap();
    let binary = dir.path().join("cuda-fixup");
    crate::support::copy_binary(&binary);
    let tree = dir.path().join("tree");
    fs::create_dir(&tree).unwrap();
    fs::set_permissions(&tree, open).unwrap();
    let (refused, others) = inputs(&tree);
    let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
    let users: &[Option<u32>] = if is_root {
        &[None, Some(ORDINARY)]
    } else {
        &[None]
    };
    for &user in users {
        let may_read_all = is_root && user.is_none();
        for applet in APPLETS {
            let run = |path: &Path| {
                let mut args: Vec<&OsStr> = applet.iter().map(OsStr::new).collect();
                args.push(path.as_os_str());
                ends(&binary, user, &args, Stdio::null())
            };
            for path in &refused {
                let (code, err) = run(path);
                assert_eq!(code, 2, "{applet:?} {path:?}: {err}");
                let name = path.file_name().unwrap().to_str().unwrap();
                assert!(err.contains(name), "{applet:?} {path:?}: {err}");
            }
            for path in &others {
                let (code, err) = run(path);
                assert!(code <= 2, "{applet:?} {path:?}: {code}");
                assert!(!err.contains('\u{1b}'), "{applet:?} {path:?}: {err:?}");
                if path.ends_with("secret.so") && !may_read_all {
                    assert_eq!(code, 2, "{applet:?}: {err}");
                    assert!(err.contains("secret.so"), "{applet:?}: {err}");
                }
            }
        }
    }
}

#[test]
fn output_that_cannot_be_written_is_an_error_and_a_closed_pipe_is_none() {
    let program = Path::new("/proc/self/exe").canonicalize().unwrap();
    let binary = Path::new(env!("CARGO_BIN_EXE_cuda-fixup"));
    for applet in [
        &["inspect"][..],
        &["fixup", "--dry-run"],
        &["lint", "--format=sarif"],
    ] {
        let mut args: Vec<&OsStr> = applet.iter().map(OsStr::new).collect();
        args.push(program.as_os_str());
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let (code, err) = ends(binary, None, &args, full.into());
        assert_eq!(code, 2, "{applet:?}: {err}");
        assert!(err.contains("No space left on device"), "{applet:?}: {err}");
        let mut reader = Command::new("true").stdin(Stdio::piped()).spawn().unwrap();
        let closed = reader.stdin.take().unwrap();
        reader.wait().unwrap();
        let (_, err) = ends(binary, None, &args, closed.into());
        assert!(!err.contains("error"), "{applet:?}: {err}");
    }
}

#[test]
fn a_small_file_that_has_no_end_or_never_begins_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let made = Command::new("mkfifo").arg(at("fifo")).status().unwrap();
    assert!(made.success());
    let program = Path::new("/proc/self/exe").canonicalize().unwrap();
    fs::copy(program, at("file")).unwrap();
    let fifo = at("fifo").into_os_string();
    let archive = at("archive");
    fs::create_dir(&archive).unwrap();
    fs::write(archive.join("LICENSE"), "text").unwrap();
    for path in [fifo.as_os_str(), OsStr::new("/dev/zero")] {
        let (file, name) = (at("file"), path.to_str().unwrap());
        let file = file.to_str().unwrap();
        let value = format!("@{name}");
        let commands: &[&[&str]] = &[
            &["lint", "--config", name, file],
            &["diff", "--config", name, file, file],
            &["redist", "index", name],
            &["redist", "diff", name, name],
            &[
                "redist",
                "features",
                "--expect",
                name,
                archive.to_str().unwrap(),
            ],
            &["patchelf", "--set-rpath", &value, file],
            &["patchelf", "--rename-dynamic-symbols", name, file],
        ];
        for args in commands {
            let args: Vec<&OsStr> = args.iter().map(OsStr::new).collect();
            let binary = Path::new(env!("CARGO_BIN_EXE_cuda-fixup"));
            let (code, err) = ends(binary, None, &args, Stdio::null());
            assert!(code == 1 || code == 2, "{args:?}: {code}");
            assert!(err.contains(name), "{args:?}: {err}");
        }
    }
}

#[test]
fn a_file_that_a_shell_writes_to_a_pipe_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let program = Path::new("/proc/self/exe").canonicalize().unwrap();
    fs::copy(program, dir.path().join("file")).unwrap();
    let words =
        "\"$0\" lint --config <(sleep 0.1; echo '[severity]'; echo 'no-rule = \"note\"') file";
    let output = Command::new("bash")
        .args(["-c", words, env!("CARGO_BIN_EXE_cuda-fixup")])
        .current_dir(dir.path())
        .output()
        .unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(err.contains(":2: there is no rule `no-rule`"), "{err}");
}

#[test]
fn messages_of_applets_that_make_files_escape_names() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("\x1b[31mred\n");
    fs::write(&file, "").unwrap();
    for args in [
        &["install-links"][..],
        &["demo", "--keep"],
        &["man", "--out"],
    ] {
        let mut args: Vec<&OsStr> = args.iter().map(OsStr::new).collect();
        args.push(file.as_os_str());
        let binary = Path::new(env!("CARGO_BIN_EXE_cuda-fixup"));
        let (code, err) = ends(binary, None, &args, Stdio::null());
        assert_eq!(code, 2, "{args:?}: {err}");
        assert!(err.contains(r"\x1b[31mred\x0a"), "{args:?}: {err}");
    }
}

/// Reading it is EIO; it has no end that `stat` knows.
const UNREADABLE: &str = "/proc/self/mem";

#[test]
fn messages_and_json_have_no_numbers_of_errors() {
    let dir = tempfile::tempdir().unwrap();
    symlink("loop", dir.path().join("loop")).unwrap();
    fs::create_dir(dir.path().join("tree")).unwrap();
    symlink("libx.so", dir.path().join("tree/libx.so")).unwrap();
    fs::write(dir.path().join("tree/nvidia-smi"), "\x7fELF").unwrap();
    let runs = fs::Permissions::from_mode(0o755);
    fs::set_permissions(dir.path().join("tree/nvidia-smi"), runs).unwrap();
    let long = "x".repeat(300);
    let commands = [
        "inspect --json",
        "inspect",
        "inspect --headers --json",
        "inspect --graph json",
        "lint --format json",
        "lint --config",
        "fixup --json --dry-run",
        "fixup --dry-run --lib",
        "auto-patchelf --structured-logs --dry-run --paths",
        "add-driver-runpath",
        "elf-files",
        "device-code list --json",
        "device-code --by-arch --json",
        "device-code extract",
        "diff tree",
        "report -o report.html",
        "doctor --json",
        "patchelf --print-rpath",
        "redist index --json",
        "redist diff --json tree",
        "redist url x --json --from",
        "redist check --json",
        "redist features --json",
        "redist check-wheel --json --set tree --",
        "toolkit farm --json --out farm",
        "toolkit leaks --forbid /x",
        "install-links",
    ];
    let mut faults = 0;
    for command in commands {
        for path in ["loop", "tree", "tree/libx.so", UNREADABLE, "no/such", &long] {
            let output = Command::new(env!("CARGO_BIN_EXE_cuda-fixup"))
                .args(command.split(' '))
                .arg(path)
                .current_dir(dir.path())
                .env("PATH", dir.path().join("tree"))
                .stdin(Stdio::null())
                .output()
                .unwrap();
            let said = [&output.stdout[..], &output.stderr].concat();
            let said = String::from_utf8_lossy(&said);
            assert!(!said.contains("(os error"), "{command} {path}: {said}");
            faults += usize::from(!output.status.success());
        }
    }
    assert!(faults > 2 * commands.len(), "{faults}");
}

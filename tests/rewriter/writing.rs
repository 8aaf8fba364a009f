//! Writes that fail: whatever goes wrong, the file is as it was, and the message says why.

use crate::support::{as_root, copy_binary};
use elf_edit::writes::Patch;
use elf_edit::writes::{Disk, run_steps};
use elf_edit::{Edit, ElfInfo, FileReader, RewriteError, RewriteOptions, prepare, rewrite};
use std::cell::Cell;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_cuda-fixup");
const LONG: &str = "/nix/store/00000000000000000000000000000000-a-rather-long-name-1.2.3/lib";

/// An executable, and the directory that it lies in, which everybody may enter.
fn executable() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let exe = dir.path().join("exe");
    let source = dir.path().join("exe.c");
    fs::write(&source, "#include <unistd.h>\nint main(int n, char **v) { (void)v; if (n > 1) pause(); return 0; }\n").unwrap();
    run(Command::new("gcc")
        .args(["-Wl,-rpath,/old/path", "-o"])
        .args([&exe, &source]));
    (dir, exe)
}

fn run(command: &mut Command) -> Output {
    let out = command.output().unwrap();
    assert!(
        out.status.success(),
        "{command:?}\n{}",
        String::from_utf8_lossy(&out.stderr)
    );
    out
}

/// Starts a file that this process has just written: a fork in another thread may hold it open.
fn started(path: &Path) -> std::process::Child {
    loop {
        match Command::new(path).arg("wait").stdout(Stdio::null()).spawn() {
            Err(e) if e.kind() == io::ErrorKind::ExecutableFileBusy => {
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
            other => return other.unwrap(),
        }
    }
}

fn set_runpath(path: &Path, options: &RewriteOptions) -> Result<(), RewriteError> {
    let reader = FileReader::new(File::open(path).unwrap()).unwrap();
    let info = ElfInfo::read(&reader).unwrap();
    let edits = [Edit::SetRunpath(LONG.into())];
    rewrite(&[path.to_owned()], &reader, &info, &edits, options).map(|_| ())
}

fn runpath(path: &Path) -> Option<String> {
    let reader = FileReader::new(File::open(path).unwrap()).unwrap();
    let info = ElfInfo::read(&reader).unwrap();
    info.runpath_or_rpath()
        .map(|r| String::from_utf8(r.to_vec()).unwrap())
}

/// A file whose writes fail from the given one on, for so many calls, with this error.
struct Failing {
    file: File,
    calls: Cell<usize>,
    fails_at: usize,
    fails_for: usize,
    half: bool,
    error: i32,
}

const EIO: i32 = 5;
const ENOSPC: i32 = 28;
const EDQUOT: i32 = 122;

impl Failing {
    fn fails(&self) -> bool {
        let call = self.calls.get();
        self.calls.set(call + 1);
        (self.fails_at..self.fails_at + self.fails_for).contains(&call)
    }
}

impl Disk for Failing {
    fn write_all_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        if self.fails() {
            // As a full disk does: a part is written before the error comes.
            if self.half {
                let part = bytes.len() * 5 / 8;
                FileExt::write_all_at(&self.file, &bytes[..part], offset)?;
            }
            return Err(io::Error::from_raw_os_error(self.error));
        }
        FileExt::write_all_at(&self.file, bytes, offset)
    }

    fn read_exact_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        FileExt::read_exact_at(&self.file, bytes, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        if self.fails() {
            return Err(io::Error::from_raw_os_error(self.error));
        }
        self.file.set_len(len)
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }
}

fn patch_of(path: &Path) -> Patch {
    let reader = FileReader::new(File::open(path).unwrap()).unwrap();
    let info = ElfInfo::read(&reader).unwrap();
    let edits = [Edit::SetRunpath(LONG.into())];
    prepare(&reader, &info, &edits, &RewriteOptions::default())
        .unwrap()
        .patch
        .unwrap()
}

fn failing(path: &Path, fails_at: usize, fails_for: usize, (half, error): (bool, i32)) -> Failing {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .unwrap();
    Failing {
        file,
        calls: Cell::new(0),
        fails_at,
        fails_for,
        half,
        error,
    }
}

#[test]
fn a_failure_at_any_write_is_taken_back() {
    let (_dir, exe) = executable();
    let before = fs::read(&exe).unwrap();
    let patch = patch_of(&exe);
    let writes = patch.steps.len();
    for how in [
        (false, ENOSPC),
        (true, ENOSPC),
        (false, EIO),
        (true, EDQUOT),
    ] {
        for n in 0..writes {
            let disk = failing(&exe, n, 1, how);
            let outcome = run_steps(&disk, &before.as_slice(), &patch.steps);
            let Err(RewriteError::Write { error, .. }) = &outcome else {
                panic!("write {n}: {outcome:?}");
            };
            assert_eq!(error.raw_os_error(), Some(how.1));
            assert!(fs::read(&exe).unwrap() == before, "write {n}, {how:?}");
        }
    }
}

#[test]
fn a_failure_that_cannot_be_taken_back_leaves_a_file_that_runs() {
    let (_dir, exe) = executable();
    let before = fs::read(&exe).unwrap();
    let patch = patch_of(&exe);
    for n in 0..patch.steps.len() {
        let disk = failing(&exe, n, 1000, (false, EIO));
        let outcome = run_steps(&disk, &before.as_slice(), &patch.steps);
        assert!(
            matches!(outcome, Err(RewriteError::Stuck { .. })),
            "write {n}"
        );
        drop(disk);
        let mut child = started(&exe);
        std::thread::sleep(std::time::Duration::from_millis(20));
        assert!(
            child.try_wait().unwrap().is_none(),
            "write {n}: it does not run"
        );
        child.kill().unwrap();
        child.wait().unwrap();
        fs::write(&exe, &before).unwrap();
    }
}

#[test]
fn a_running_program_is_busy_and_atomic_replaces_it() {
    let (_dir, exe) = executable();
    let before = fs::read(&exe).unwrap();
    let mut child = started(&exe);
    // The child's exec must be over before its file is busy.
    std::thread::sleep(std::time::Duration::from_millis(200));
    let refused = set_runpath(&exe, &RewriteOptions::default());
    assert!(matches!(refused, Err(RewriteError::Busy)), "{refused:?}");
    assert!(fs::read(&exe).unwrap() == before);
    let held = File::open(&exe).unwrap();
    let inode = fs::metadata(&exe).unwrap().ino();
    set_runpath(
        &exe,
        &RewriteOptions {
            atomic: true,
            ..RewriteOptions::default()
        },
    )
    .unwrap();
    assert_ne!(fs::metadata(&exe).unwrap().ino(), inode);
    assert_eq!(runpath(&exe).unwrap(), LONG);
    let mut old = vec![0; before.len()];
    FileExt::read_exact_at(&held, &mut old, 0).unwrap();
    assert!(old == before, "the inode that is running has changed");
    child.kill().unwrap();
    child.wait().unwrap();
    let left: Vec<_> = fs::read_dir(exe.parent().unwrap())
        .unwrap()
        .flatten()
        .collect();
    assert_eq!(left.len(), 2, "a copy was left over: {left:?}");
}

#[test]
fn a_file_that_changes_in_between_is_left_alone() {
    let (_dir, exe) = executable();
    let reader = FileReader::new(File::open(&exe).unwrap()).unwrap();
    let info = ElfInfo::read(&reader).unwrap();
    let mut longer = fs::read(&exe).unwrap();
    longer.push(0);
    fs::write(&exe, &longer).unwrap();
    for atomic in [false, true] {
        let options = RewriteOptions {
            atomic,
            ..RewriteOptions::default()
        };
        let edits = [Edit::SetRunpath(LONG.into())];
        let refused = rewrite(std::slice::from_ref(&exe), &reader, &info, &edits, &options);
        assert!(matches!(refused, Err(RewriteError::Changed)), "{refused:?}");
        assert!(fs::read(&exe).unwrap() == longer);
    }
}

/// Within one step of the clock that stamps files, and of the same length.
#[test]
fn a_change_that_shows_in_no_time_stamp_is_seen() {
    for round in 0..20 {
        let (_dir, exe) = executable();
        let mut bytes = fs::read(&exe).unwrap();
        fs::write(&exe, &bytes).unwrap();
        let reader = FileReader::new(File::open(&exe).unwrap()).unwrap();
        let info = ElfInfo::read(&reader).unwrap();
        // EI_ABIVERSION
        bytes[8] = 1;
        fs::write(&exe, &bytes).unwrap();
        let options = RewriteOptions {
            atomic: round % 2 == 1,
            ..RewriteOptions::default()
        };
        let edits = [Edit::SetRunpath(LONG.into())];
        let refused = rewrite(std::slice::from_ref(&exe), &reader, &info, &edits, &options);
        assert!(matches!(refused, Err(RewriteError::Changed)), "{refused:?}");
        assert!(fs::read(&exe).unwrap() == bytes);
    }
}

#[test]
fn mode_and_attributes_stay() {
    as_root("writing::mode_and_attributes_stay", mode_and_attributes);
}

fn mode_and_attributes() {
    for atomic in [false, true] {
        let (_dir, exe) = executable();
        fs::set_permissions(&exe, fs::Permissions::from_mode(0o4511)).unwrap();
        run(Command::new("setfattr")
            .args(["-n", "user.origin", "-v", "a wheel"])
            .arg(&exe));
        run(Command::new("setcap").arg("cap_net_raw+ep").arg(&exe));
        let options = RewriteOptions {
            atomic,
            ..RewriteOptions::default()
        };
        set_runpath(&exe, &options).unwrap();
        assert_eq!(runpath(&exe).unwrap(), LONG);
        assert_eq!(
            fs::metadata(&exe).unwrap().mode() & 0o7777,
            0o4511,
            "atomic: {atomic}"
        );
        let origin = run(Command::new("getfattr")
            .args(["--only-values", "-n", "user.origin"])
            .arg(&exe));
        assert_eq!(origin.stdout, b"a wheel");
        let capabilities = run(Command::new("getcap").arg(&exe));
        assert!(String::from_utf8_lossy(&capabilities.stdout).contains("cap_net_raw"));
    }
}

/// The `patchelf` applet, run by an unprivileged user, from a copy beside the file: the build
/// directory may be closed to others.
fn as_nobody(exe: &Path) -> Output {
    let binary = exe.with_file_name("binary");
    if !binary.exists() {
        copy_binary(&binary);
    }
    Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(binary)
        .args(["patchelf", "--set-rpath", LONG])
        .arg(exe)
        .output()
        .unwrap()
}

#[test]
fn a_read_only_file_is_written_by_its_owner_and_by_no_other() {
    as_root(
        "writing::a_read_only_file_is_written_by_its_owner_and_by_no_other",
        a_read_only_file_and_two_users,
    );
}

fn a_read_only_file_and_two_users() {
    let (dir, exe) = executable();
    fs::set_permissions(&exe, fs::Permissions::from_mode(0o555)).unwrap();
    let before = fs::read(&exe).unwrap();
    let refused = as_nobody(&exe);
    assert!(!refused.status.success());
    let message = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(message.contains("ermission denied"), "{message}");
    assert!(fs::read(&exe).unwrap() == before);
    run(Command::new("chown")
        .arg("-R")
        .arg("65534:65534")
        .arg(dir.path()));
    // The directory is closed, too: an edit in place needs none of its permissions.
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o555)).unwrap();
    let done = as_nobody(&exe);
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    assert_eq!(runpath(&exe).unwrap(), LONG);
    assert_eq!(fs::metadata(&exe).unwrap().mode() & 0o7777, 0o555);
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
}

/// Runs a shell script with mounts of its own.
fn with_mounts(script: &str, dir: &Path) -> Output {
    Command::new("unshare")
        .args(["--mount", "sh", "-euc", script, "sh"])
        .arg(dir)
        .arg(BINARY)
        .arg(LONG)
        .output()
        .unwrap()
}

#[test]
fn a_read_only_file_system_and_a_full_one_leave_the_file_as_it_was() {
    as_root(
        "writing::a_read_only_file_system_and_a_full_one_leave_the_file_as_it_was",
        a_read_only_file_system_and_a_full_one,
    );
}

fn a_read_only_file_system_and_a_full_one() {
    let (dir, exe) = executable();
    let before = fs::read(&exe).unwrap();
    let read_only = with_mounts(
        "mount --bind \"$1\" \"$1\"; mount -o remount,ro,bind \"$1\"; cd /; cd \"$1\"; exec \"$2\" patchelf --set-rpath \"$3\" exe",
        dir.path(),
    );
    let message = String::from_utf8_lossy(&read_only.stderr).into_owned();
    assert!(
        !read_only.status.success() && message.contains("ead-only file system"),
        "{message}"
    );
    assert!(fs::read(&exe).unwrap() == before);

    // The file fills its file system to the last page.
    let full = with_mounts(
        "m=$(mktemp -d); mount -t tmpfs -o size=256k none \"$m\"; cp \"$1/exe\" \"$m/exe\"; \
         cat /dev/zero > \"$m/rest\" 2>/dev/null || true; \
         long=$(printf '%08192d' 0); \
         \"$2\" patchelf --set-rpath \"$3$long\" \"$m/exe\" && exit 3; \
         cmp \"$m/exe\" \"$1/exe\"",
        dir.path(),
    );
    let message = String::from_utf8_lossy(&full.stderr).into_owned();
    assert!(full.status.success(), "{:?}\n{message}", full.status);
    assert!(message.contains("o space left"), "{message}");
}

#[test]
fn hard_links_change_together_or_not_at_all() {
    let (dir, exe) = executable();
    let inside = dir.path().join("inside");
    let outside = dir.path().join("outside");
    fs::hard_link(&exe, &inside).unwrap();
    fs::hard_link(&exe, &outside).unwrap();
    let reader = FileReader::new(File::open(&exe).unwrap()).unwrap();
    let info = ElfInfo::read(&reader).unwrap();
    let names = [exe.clone(), inside.clone()];
    let edits = [Edit::SetRunpath(LONG.into())];
    rewrite(&names, &reader, &info, &edits, &RewriteOptions::default()).unwrap();
    assert_eq!(runpath(&exe).unwrap(), LONG);
    assert_eq!(runpath(&outside).unwrap(), "/old/path");
    let inode = |path: &Path| fs::metadata(path).unwrap().ino();
    assert_eq!(inode(&exe), inode(&inside));
    assert_ne!(inode(&exe), inode(&outside));
}

#[test]
fn a_library_that_a_program_has_open_goes_on_working() {
    for atomic in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let (library, program) = (dir.path().join("libone.so"), dir.path().join("program"));
        let source = dir.path().join("source.c");
        fs::write(
            &source,
            "int one(void) { return 1; }\nint two(void) { return 2; }\n",
        )
        .unwrap();
        run(Command::new("gcc")
            .args(["-shared", "-fPIC", "-Wl,-z,lazy", "-o"])
            .args([&library, &source]));
        // Later lookups use the mapped file.
        let text = "#include <dlfcn.h>\n#include <stdio.h>\n\
            int main(int c, char **v) { (void)c; void *l = dlopen(v[1], RTLD_LAZY); if (!l) return 1;\n\
            int (*f)(void) = (int (*)(void))dlsym(l, \"one\"); if (!f || f() != 1) return 2;\n\
            puts(\"open\"); fflush(stdout); getchar();\n\
            f = (int (*)(void))dlsym(l, \"two\"); return f && f() == 2 ? 0 : 3; }\n";
        fs::write(&source, text).unwrap();
        run(Command::new("gcc").arg("-o").args([&program, &source]));
        let mut child = Command::new(&program)
            .arg(&library)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut opened = [0; 5];
        child
            .stdout
            .as_mut()
            .unwrap()
            .read_exact(&mut opened)
            .unwrap();
        assert_eq!(&opened, b"open\n");
        let options = RewriteOptions {
            atomic,
            ..RewriteOptions::default()
        };
        set_runpath(&library, &options).unwrap();
        assert_eq!(runpath(&library).unwrap(), LONG);
        drop(child.stdin.take());
        let status = child.wait().unwrap();
        assert!(status.success(), "atomic {atomic}: {status}");
    }
}

#[test]
fn a_copy_asks_the_file_system_to_share() {
    let (dir, exe) = executable();
    fs::hard_link(&exe, dir.path().join("old")).unwrap();
    let traced = run(Command::new("strace")
        .args(["-f", "-y", "-e", "trace=ioctl", BINARY, "fixup", "--atomic"])
        .args(["--append-runpath", "/a/place/that/is/new"])
        .arg(&exe));
    let calls = String::from_utf8_lossy(&traced.stderr).into_owned();
    let asked = |line: &str| line.contains("FICLONE") && line.contains("/.elf-edit-");
    assert!(calls.lines().any(asked), "{calls}");
    // Shared or not, the copy is whole and the other name keeps its bytes.
    let old = fs::read(dir.path().join("old")).unwrap();
    assert!(fs::read(&exe).unwrap() != old);
    run(Command::new(&exe).env_remove("LD_LIBRARY_PATH"));
}

/// On a file system that shares extents. Only root may mount an image of one: another user's test
/// is the one above.
#[test]
fn a_copy_shares_what_it_does_not_change() {
    if !rustix::process::geteuid().is_root() {
        return a_copy_asks_the_file_system_to_share();
    }
    let (dir, exe) = executable();
    // A second name keeps the old contents, and with them the shared extents.
    let shared = with_mounts(
        "cd \"$1\"; truncate -s 200M image; mkfs.btrfs -q image; mkdir m; mount -o loop image m; \
         trap 'umount m' EXIT; \
         cp exe m/exe; head -c 8M /dev/urandom >> m/exe; ln m/exe m/old; sync; \
         \"$2\" fixup --atomic --append-runpath /a/place/that/is/new m/exe >&2; sync; \
         [ \"$(stat -c %i m/exe)\" != \"$(stat -c %i m/old)\" ]; cmp m/old m/exe >&2 && exit 3; \
         filefrag -v m/exe",
        dir.path(),
    );
    let listed = String::from_utf8_lossy(&shared.stdout).into_owned();
    let message = String::from_utf8_lossy(&shared.stderr).into_owned();
    assert!(shared.status.success(), "{listed}\n{message}");
    let blocks = |line: &str| -> Option<u64> {
        let length = line.split(':').nth(3)?;
        length.trim().parse().ok()
    };
    let lines = listed.lines().filter(|line| line.contains("shared"));
    let shared: u64 = lines.filter_map(blocks).sum();
    assert!(shared * 4096 > 7 << 20, "{listed}");
    assert!(exe.exists());
}

#[test]
fn a_copy_that_cannot_be_made_leaves_all_names_as_they_were() {
    as_root(
        "writing::a_copy_that_cannot_be_made_leaves_all_names_as_they_were",
        a_copy_that_cannot_be_made,
    );
}

fn a_copy_that_cannot_be_made() {
    let (dir, exe) = executable();
    // One name of two: the other one must not change, so a copy is needed, and the directory is
    // closed.
    let outside = dir.path().join("outside");
    fs::hard_link(&exe, &outside).unwrap();
    run(Command::new("chown")
        .arg("-R")
        .arg("65534:65534")
        .arg(dir.path()));
    let before = fs::read(&exe).unwrap();
    copy_binary(&exe.with_file_name("binary"));
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o555)).unwrap();
    let refused = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(exe.with_file_name("binary"))
        .arg("add-driver-runpath")
        .arg(&exe)
        .output()
        .unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let message = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success());
    assert!(message.contains("make a copy beside it"), "{message}");
    assert!(fs::read(&exe).unwrap() == before && fs::read(&outside).unwrap() == before);
    let left = fs::read_dir(dir.path()).unwrap().count();
    assert_eq!(left, 4, "a copy was left over");
}

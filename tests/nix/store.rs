//! A Nix store of the tests' own, below cargo's directory for such things: no daemon, no
//! substituters, nothing of the machine's store touched.

use serde_json::Value;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, OnceLock, PoisonError};

/// The binary under test.
const BINARY: &str = env!("CARGO_BIN_EXE_cuda-fixup");

/// The store, and the lock that keeps a second run of the tests off it.
pub struct Nix {
    root: PathBuf,
    /// The binary under test, in the store.
    binary: String,
    /// Builds go one after the other, each with all cores: two that `--check` the same derivation
    /// at once wait for each other for ever.
    building: Mutex<()>,
    _lock: File,
}

/// The project's root.
pub fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

impl Nix {
    /// One empty store for all tests of this run: what one of them has built, the others have.
    pub fn get() -> &'static Nix {
        static NIX: OnceLock<Nix> = OnceLock::new();
        NIX.get_or_init(|| {
            let dir = Path::new(env!("CARGO_TARGET_TMPDIR"));
            let lock = File::create(dir.join("nix.lock")).unwrap();
            rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
            let root = dir.canonicalize().unwrap().join("nix");
            remove(&root);
            for part in ["home", "conf", "tmp"] {
                fs::create_dir_all(root.join(part)).unwrap();
            }
            let mut nix = Nix {
                root,
                binary: String::new(),
                building: Mutex::new(()),
                _lock: lock,
            };
            // The first command makes the store: two at once would stumble over each other.
            let mut add = nix.command("nix-store", false);
            let added = checked(add.args(["--add", BINARY]).output().unwrap());
            nix.binary = String::from_utf8(added.stdout).unwrap().trim().to_owned();
            nix
        })
    }

    /// The binary under test, in the store.
    pub fn binary(&self) -> &str {
        &self.binary
    }

    /// A Nix program in this store.
    pub fn command(&self, program: &str, sandbox: bool) -> Command {
        let dir = |name: &str| self.root.join(name);
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", dir("home"))
            .env("TMPDIR", dir("tmp"))
            .env("NIX_REMOTE", "")
            .env("NIX_STORE_DIR", dir("store"))
            .env("NIX_STATE_DIR", dir("state"))
            .env("NIX_LOG_DIR", dir("log"))
            .env("NIX_CONF_DIR", dir("conf"))
            .env(
                "NIX_CONFIG",
                format!(
                    "build-users-group =\nsandbox = {sandbox}\nsandbox-fallback = false\n\
                     sandbox-paths = /usr /lib /lib64 /bin\nsubstituters =\n\
                     experimental-features = nix-command flakes\n"
                ),
            )
            .current_dir(project());
        command
    }

    /// Builds attributes of `nix/tests`; `more` are further arguments of `nix-build`.
    pub fn try_build(&self, attributes: &[&str], more: &[&str], sandbox: bool) -> Output {
        let _alone = self.building.lock().unwrap_or_else(PoisonError::into_inner);
        let mut command = self.command("nix-build", sandbox);
        command.args([
            "--no-out-link",
            "--argstr",
            "binary",
            &self.binary,
            "nix/tests",
        ]);
        for attribute in attributes {
            command.args(["-A", attribute]);
        }
        if !more.contains(&"--max-jobs") {
            command.args(["--max-jobs", "2"]);
        }
        command.args(more).output().unwrap()
    }

    /// The same for builds that must be fine.
    pub fn build(&self, attributes: &[&str], more: &[&str]) -> Output {
        checked(self.try_build(attributes, more, false))
    }

    /// The value of an expression of `file` with the binary under test.
    pub fn value(&self, file: &str, attribute: &str) -> Value {
        let mut command = self.command("nix-instantiate", false);
        command.args(["--eval", "--strict", "--json", file, "-A", attribute]);
        if file == "nix/tests" {
            command.args(["--argstr", "binary", &self.binary]);
        }
        serde_json::from_slice(&checked(command.output().unwrap()).stdout).unwrap()
    }

    /// The derivation that is an attribute of `file`.
    pub fn derivation(&self, file: &str, attribute: &str) -> String {
        let mut command = self.command("nix-instantiate", false);
        let output = checked(command.args([file, "-A", attribute]).output().unwrap());
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Whether a path is in the store: a build that failed may leave it behind, but not valid.
    pub fn has(&self, path: &str) -> bool {
        let mut command = self.command("nix-store", false);
        command.args(["--check-validity", path]);
        command.output().unwrap().status.success()
    }

    /// What the last build of a derivation said.
    pub fn log(&self, derivation: &str) -> String {
        let mut command = self.command("nix-store", false);
        command.args(["--read-log", derivation]);
        let output = checked(command.output().unwrap());
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// What a derivation needs to be built, by path.
    pub fn requisites(&self, derivation: &str) -> Vec<String> {
        let mut command = self.command("nix-store", false);
        command.args(["--query", "--requisites", derivation]);
        let output = checked(command.output().unwrap());
        String::from_utf8(output.stdout)
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect()
    }
}

/// `output`, which must be that of a program that went well.
pub fn checked(output: Output) -> Output {
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// Removes a tree of the last run: directories in a store are read-only.
fn remove(root: &Path) {
    if !root.exists() {
        return;
    }
    let args: [&OsStr; 4] = ["-R".as_ref(), "u+w".as_ref(), "--".as_ref(), root.as_ref()];
    assert!(Command::new("chmod").args(args).status().unwrap().success());
    fs::remove_dir_all(root).unwrap();
}

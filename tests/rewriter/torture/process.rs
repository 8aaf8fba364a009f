//! Runs the tools and the programs under test.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

/// What a process left.
pub struct Ran {
    /// Whether it exited with 0.
    pub ok: bool,
    pub stdout: String,
    pub stderr: String,
    /// How it ended, in words.
    pub status: String,
}

/// Runs a command with nothing of the environment that changes what tools print or load.
pub fn run(command: &mut Command) -> Ran {
    command
        .env("LC_ALL", "C")
        .env_remove("LD_PRELOAD")
        .env_remove("DEBUGINFOD_URLS");
    let output = output(command).unwrap_or_else(|error| panic!("{command:?}: {error}"));
    Ran {
        ok: output.status.success(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        status: output.status.to_string(),
    }
}

/// Another thread's child holds a file open for writing between fork and exec, and that file
/// cannot be executed for so long.
fn output(command: &mut Command) -> io::Result<Output> {
    for _ in 0..100 {
        match command.output() {
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy => {}
            // It was `timeout` or gdb that could not.
            Ok(output) if String::from_utf8_lossy(&output.stderr).contains("Text file busy") => {}
            result => return result,
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    command.output()
}

/// Runs a tool that must succeed, and gives what it printed.
pub fn must<A: AsRef<OsStr>>(program: &str, arguments: impl IntoIterator<Item = A>) -> String {
    let mut command = Command::new(program);
    command.args(arguments);
    let ran = run(&mut command);
    assert!(ran.ok, "{command:?}: {}\n{}", ran.status, ran.stderr);
    ran.stdout
}

/// Copies a file with its holes, in a process of its own: no descriptor of this one is open for
/// writing, so that another thread's child cannot keep the copy busy.
pub fn copy(from: &Path, to: &Path) {
    must(
        "cp",
        [OsStr::new("--sparse=auto"), from.as_ref(), to.as_ref()],
    );
}

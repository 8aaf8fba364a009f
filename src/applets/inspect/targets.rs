//! Resolves the words of the command line: files and trees, programs on PATH, and scripts, whose
//! interpreters are inspected.

use crate::advice::shell::word;
use crate::escape::Shown;
use crate::report::inspect::Script;
use crate::scan;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Scripts that are each other's interpreters, as many as Linux follows (execve(2)).
const MAX_SCRIPTS: usize = 5;
/// Bytes of the first line that Linux reads (BINPRM_BUF_SIZE).
const MAX_LINE: usize = 256;

/// The files to inspect.
#[derive(Debug, Default)]
pub(super) struct Targets {
    /// Files and trees, each once.
    pub(super) paths: Vec<PathBuf>,
    /// Scripts with the path in `paths` that each leads to.
    pub(super) scripts: Vec<(PathBuf, Script)>,
    /// Scripts with a missing interpreter, with advice.
    pub(super) problems: Vec<Problem>,
    /// Names that were looked for on PATH in vain.
    pub(super) not_on_path: Vec<PathBuf>,
}

/// A script that can't be run.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) path: PathBuf,
    pub(super) what: String,
    pub(super) help: Option<String>,
}

impl Targets {
    /// `root` is where the absolute names of scripts begin.
    pub(super) fn new(given: &[PathBuf], root: Option<&Path>) -> Targets {
        let mut targets = Targets::default();
        for word in given {
            let path = match (root, program(word)) {
                (None, Some(Some(found))) => found,
                (None, Some(None)) => {
                    targets.not_on_path.push(word.clone());
                    word.clone()
                }
                _ => word.clone(),
            };
            targets.follow(path, root);
        }
        targets
    }

    /// The scripts that lead to one of `paths`.
    pub(super) fn scripts_of(&self, path: &Path) -> Vec<Script> {
        let all = self.scripts.iter();
        let these = all.filter(|(target, _)| target == path);
        these.map(|(_, script)| script.clone()).collect()
    }

    fn follow(&mut self, mut path: PathBuf, root: Option<&Path>) {
        let mut scripts = Vec::new();
        while let Some(line) = first_line(&path).filter(|_| scripts.len() < MAX_SCRIPTS) {
            let (interpreter, argument) = words(&line);
            let script = Script {
                path: path.clone(),
                line: line.clone(),
            };
            scripts.push(script);
            let there = place(&interpreter, root);
            if there.as_os_str().is_empty() || !there.exists() {
                self.problems.push(not_there(path, &interpreter));
                return;
            }
            path = match run_by_env(&interpreter, &argument) {
                Some(name) => match on_path(OsStr::from_bytes(&name), root) {
                    Some(found) => found,
                    None => {
                        self.problems.push(not_found_by_env(path, &name));
                        return;
                    }
                },
                None => there,
            };
        }
        let scripts = scripts.into_iter().map(|script| (path.clone(), script));
        self.scripts.extend(scripts);
        if !self.paths.contains(&path) || self.scripts_of(&path).is_empty() {
            self.paths.push(path);
        }
    }
}

/// The program on PATH for a word: `None` where it is a path, or a file of that name is here.
pub(in crate::applets) fn program(word: &Path) -> Option<Option<PathBuf>> {
    let plain = !word.as_os_str().is_empty() && !word.as_os_str().as_bytes().contains(&b'/');
    let here = || match word.symlink_metadata() {
        Err(error) => error.kind() != io::ErrorKind::NotFound,
        Ok(_) => true,
    };
    (plain && !here()).then(|| on_path(word.as_os_str(), None))
}

/// The program of that name, as execvp(3) finds it.
fn on_path(name: &OsStr, root: Option<&Path>) -> Option<PathBuf> {
    let of_a_system = || OsString::from("/usr/local/bin:/usr/bin:/bin");
    let path = match root {
        None => std::env::var_os("PATH").unwrap_or_else(of_a_system),
        Some(_) => of_a_system(),
    };
    std::env::split_paths(&path).find_map(|directory| {
        let file = place(directory.join(name).as_os_str().as_bytes(), root);
        let runs =
            |info: std::fs::Metadata| info.is_file() && info.permissions().mode() & 0o111 != 0;
        file.metadata().is_ok_and(runs).then_some(file)
    })
}

pub(super) fn place(path: &[u8], root: Option<&Path>) -> PathBuf {
    let path = Path::new(OsStr::from_bytes(path));
    match root {
        Some(root) => root.join(path.strip_prefix("/").unwrap_or(path)),
        None => path.to_owned(),
    }
}

/// The line behind `#!`.
fn first_line(path: &Path) -> Option<Vec<u8>> {
    let file = scan::open(path, true).ok()?;
    let head = file.head();
    let line = head[..head.len().min(MAX_LINE)].strip_prefix(b"#!")?;
    let end = line.iter().position(|&byte| byte == b'\n');
    Some(
        line[..end.unwrap_or(line.len())]
            .trim_ascii_start()
            .to_vec(),
    )
}

/// The interpreter and the one argument that Linux gives it. A carriage return belongs to them.
fn words(line: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let end = line.iter().position(blank).unwrap_or(line.len());
    let (interpreter, argument) = line.split_at(end);
    let from = argument.iter().position(|byte| !blank(byte));
    let argument = &argument[from.unwrap_or(argument.len())..];
    let to = argument.iter().rposition(|byte| !blank(byte));
    (
        interpreter.to_vec(),
        argument[..to.map_or(0, |at| at + 1)].to_vec(),
    )
}

/// The program that `env NAME` or `env -S NAME …` runs.
fn run_by_env(interpreter: &[u8], argument: &[u8]) -> Option<Vec<u8>> {
    if interpreter.rsplit(|&byte| byte == b'/').next() != Some(b"env") {
        return None;
    }
    let split = |text: &[u8]| -> Vec<Vec<u8>> {
        let words = text.split(u8::is_ascii_whitespace);
        words
            .filter(|word| !word.is_empty())
            .map(<[u8]>::to_vec)
            .collect()
    };
    let words = match argument.strip_prefix(b"-S") {
        Some(rest) => split(rest),
        // Linux gives env one word, blanks and all.
        None => vec![argument.to_vec()],
    };
    let is_name = |word: &&Vec<u8>| !word.starts_with(b"-") && !word.contains(&b'=');
    words
        .iter()
        .find(is_name)
        .filter(|word| !word.is_empty())
        .cloned()
}

fn not_there(path: PathBuf, interpreter: &[u8]) -> Problem {
    let file = word(path.as_os_str().as_bytes());
    if let Some(name) = interpreter.strip_suffix(b"\r") {
        let what = format!(
            "its interpreter {} is not there: the lines end in CR LF, as on Windows",
            Shown::from(name)
        );
        let help = file.map(|file| format!("sed -i 's/\\r$//' {file}"));
        return Problem { path, what, help };
    }
    let name = interpreter.rsplit(|&byte| byte == b'/').next();
    let near = on_path(OsStr::from_bytes(name.unwrap_or_default()), None);
    let near = near.filter(|_| name.is_some_and(|name| !name.is_empty()));
    let help = near.zip(file).and_then(|(near, file)| {
        let near = near.as_os_str().as_bytes();
        // sed reads these in another way.
        let plain = !near.iter().any(|byte| b"|&\\\n".contains(byte));
        // The argument behind the interpreter stays.
        let line = [b"1s|^#! *[^ ]*|#!", near, b"|"].concat();
        let script = word(&line).filter(|_| plain)?;
        Some(format!("sed -i {script} {file}"))
    });
    let what = match interpreter.is_empty() {
        true => "its first line names no interpreter".to_owned(),
        false => format!("its interpreter {} is not there", Shown::from(interpreter)),
    };
    Problem { path, what, help }
}

fn not_found_by_env(path: PathBuf, name: &[u8]) -> Problem {
    let what = format!(
        "env, its interpreter, finds no program {} on PATH",
        Shown::from(name)
    );
    Problem {
        path,
        what,
        help: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStringExt;

    #[test]
    fn first_lines_are_split_as_the_kernel_does() {
        let split = |line: &str| {
            let (interpreter, argument) = words(line.as_bytes());
            let name = run_by_env(&interpreter, &argument);
            let text = |bytes: Vec<u8>| OsString::from_vec(bytes).into_string().unwrap();
            (text(interpreter), text(argument), name.map(text))
        };
        let owned = |a: &str, b: &str, c: Option<&str>| (a.into(), b.into(), c.map(String::from));
        assert_eq!(split("/bin/sh -e x "), owned("/bin/sh", "-e x", None));
        assert_eq!(split("/bin/sh\r"), owned("/bin/sh\r", "", None));
        assert_eq!(
            split("/usr/bin/env python3"),
            owned("/usr/bin/env", "python3", Some("python3"))
        );
        let several = owned("/usr/bin/env", "-S A=b python3 -u", Some("python3"));
        assert_eq!(split("/usr/bin/env -S A=b python3 -u"), several);
    }
}

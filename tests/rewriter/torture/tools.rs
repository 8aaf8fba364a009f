//! What happens to a file after it was edited.

use crate::torture::edits::runpath_of_round;
use crate::torture::kinds::Kind;
use crate::torture::process::run;
use crate::torture::subject::rewrite;
use elf_edit::Edit;
use std::path::Path;
use std::process::Command;

/// A layer of the matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tool {
    Nothing,
    Strip,
    StripDebug,
    LlvmStrip,
    EuStrip,
    /// `objcopy --only-keep-debug`, `strip -g`, `objcopy --add-gnu-debuglink`.
    DebugLink,
    /// Our own second rewrite.
    Second,
    /// Our own hundredth.
    Hundredth,
    /// A hundred times: our own rewrite, then GNU strip.
    HundredthStripped,
}

pub const TOOLS: [Tool; 9] = [
    Tool::Nothing,
    Tool::Strip,
    Tool::StripDebug,
    Tool::LlvmStrip,
    Tool::EuStrip,
    Tool::DebugLink,
    Tool::Second,
    Tool::Hundredth,
    Tool::HundredthStripped,
];

impl Tool {
    /// The same treatment for an unedited file, which shows the tool's own faults.
    pub fn without_us(self) -> Tool {
        match self {
            Tool::Second | Tool::Hundredth => Tool::Nothing,
            Tool::HundredthStripped => Tool::Strip,
            other => other,
        }
    }

    /// How many rewrites follow the first.
    pub fn rounds(self) -> usize {
        match self {
            Tool::Second => 1,
            Tool::Hundredth | Tool::HundredthStripped => 99,
            _ => 0,
        }
    }

    /// Whether the file passes through a program that is not ours.
    pub fn is_foreign(self) -> bool {
        !matches!(self, Tool::Nothing | Tool::Second | Tool::Hundredth)
    }

    /// Applies the tool to the file.
    pub fn apply(self, kind: &Kind, file: &Path) -> Result<(), String> {
        let strip = kind.target.strip.as_str();
        let objcopy = kind.target.objcopy.as_str();
        let name = file.to_str().unwrap();
        match self {
            Tool::Nothing => {}
            Tool::Strip => works(strip, &[name])?,
            Tool::StripDebug => works(strip, &["-g", name])?,
            Tool::LlvmStrip => works("llvm-strip", &[name])?,
            Tool::EuStrip => works("eu-strip", &[name])?,
            Tool::DebugLink => {
                let debug = format!("{name}.debug");
                split(objcopy, name, &debug)?;
                works(strip, &["-g", name])?;
                works(objcopy, &[&format!("--add-gnu-debuglink={debug}"), name])?;
            }
            Tool::Second | Tool::Hundredth | Tool::HundredthStripped => {
                for round in 1..=self.rounds() {
                    let runpath = runpath_of_round(kind, round).into();
                    rewrite(file, &[Edit::SetRunpath(runpath)])
                        .map_err(|error| format!("rewrite {}: {error}", round + 1))?;
                    if self == Tool::HundredthStripped {
                        works(strip, &[name]).map_err(|error| format!("round {round}: {error}"))?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// `objcopy --only-keep-debug`. It warns of a note behind other sections in its segment, in
/// untouched libraries for MIPS and in results of patchelf 0.14; the debug file is fine.
fn split(objcopy: &str, file: &str, debug: &str) -> Result<(), String> {
    let ran = run(Command::new(objcopy).args(["--only-keep-debug", file, debug]));
    let about_notes =
        |line: &str| line.contains("can't be allocated in segment") || line.starts_with("LOAD: ");
    if ran.ok && ran.stderr.lines().all(about_notes) {
        return Ok(());
    }
    Err(format!("{objcopy}: {}: {}", ran.status, ran.stderr.trim()))
}

/// Runs a tool that must neither fail nor warn.
fn works(program: &str, arguments: &[&str]) -> Result<(), String> {
    let ran = run(Command::new(program).args(arguments));
    if ran.ok && ran.stderr.is_empty() {
        return Ok(());
    }
    Err(format!("{program}: {}: {}", ran.status, ran.stderr.trim()))
}

//! The edits of the matrix, and what a file does and says afterwards.

use crate::torture::kinds::{Kind, Use};
use crate::torture::target::{
    ANOTHER, ANSWER, EXTRA, NEW, OLD_INTERPRETER, OLD_RUNPATH, UNUSED, unused,
};
use elf_edit::Edit;
use std::path::Path;

/// A column of the matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    RunpathLonger,
    RunpathShorter,
    RunpathRemoved,
    RunpathFirst,
    Interpreter,
    NeededAdded,
    NeededRemoved,
    NeededReplaced,
    Soname,
    /// A resolution cache, in a file that has none.
    Cache,
    /// Interpreter or SONAME, RUNPATH and NEEDED in one plan.
    Together,
}

pub const CHANGES: [Change; 11] = [
    Change::RunpathLonger,
    Change::RunpathShorter,
    Change::RunpathRemoved,
    Change::RunpathFirst,
    Change::Interpreter,
    Change::NeededAdded,
    Change::NeededRemoved,
    Change::NeededReplaced,
    Change::Soname,
    Change::Cache,
    Change::Together,
];

/// The meaning of a file: its headers and its output.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meaning {
    pub runpath: Option<String>,
    pub rpath: Option<String>,
    pub needed: Vec<String>,
    pub soname: Option<String>,
    pub interpreter: Option<String>,
    /// What it prints when it is run or loaded, sorted.
    pub prints: Vec<String>,
}

/// A change of one kind of file, worked out.
pub struct Case {
    /// Which variant of the kind is edited.
    pub bare: bool,
    pub edits: Vec<Edit>,
    /// Strings that must be absent from the file afterwards.
    pub gone: Vec<&'static str>,
    /// The expected meaning of the file, from its earlier one.
    pub apply: fn(&mut Meaning, &Kind),
}

/// Strings that stay in the file after they are edited away, because another tool left a copy of
/// them: LIEF of the linker's string table, Zig of the loader that it compiles for.
pub fn remains(kind: &Kind) -> &'static [&'static str] {
    match kind.name.as_str() {
        "zig-bin" => &[OLD_INTERPRETER],
        name if name.ends_with("-lief") => &[ANSWER, UNUSED],
        _ => &[],
    }
}

impl Change {
    /// `None` where the kind has nothing to change so.
    pub fn case(self, kind: &Kind) -> Option<Case> {
        let mut case = self.of(kind)?;
        case.gone.retain(|text| !remains(kind).contains(text));
        Some(case)
    }

    fn of(self, kind: &Kind) -> Option<Case> {
        let needs = |holds: bool| holds.then_some(());
        let case = |edits, gone, apply| Case {
            bare: false,
            edits,
            gone,
            apply,
        };
        Some(match self {
            Change::RunpathLonger => case(
                vec![runpath(&longer(kind))],
                vec![OLD_RUNPATH],
                |after, kind| set_runpath(after, longer(kind)),
            ),
            Change::RunpathShorter => case(
                vec![runpath(&libs(kind))],
                vec![OLD_RUNPATH],
                |after, kind| set_runpath(after, libs(kind)),
            ),
            Change::RunpathRemoved => {
                case(vec![Edit::RemoveRunpath], vec![OLD_RUNPATH], |after, _| {
                    after.runpath = None;
                    after.rpath = None;
                })
            }
            Change::RunpathFirst => Case {
                bare: true,
                edits: vec![runpath(&longer(kind))],
                gone: Vec::new(),
                apply: |after, kind| set_runpath(after, longer(kind)),
            },
            Change::Interpreter => {
                needs(kind.used_as == Use::Program)?;
                case(
                    vec![interpreter(kind)],
                    vec![OLD_INTERPRETER],
                    |after, kind| {
                        after.interpreter = Some(text(&kind.target.other_interpreter));
                    },
                )
            }
            Change::NeededAdded => case(
                vec![Edit::AddNeeded(EXTRA.into())],
                Vec::new(),
                |after, _| {
                    after.needed.insert(0, EXTRA.to_owned());
                    after.prints.push("extra".to_owned());
                },
            ),
            Change::NeededRemoved => {
                needs(kind.linked)?;
                case(
                    vec![Edit::RemoveNeeded(unused().into())],
                    vec![UNUSED],
                    |after, _| {
                        after.needed.retain(|name| *name != unused());
                        after.prints.retain(|line| line != "unused");
                    },
                )
            }
            Change::NeededReplaced => {
                needs(kind.linked)?;
                case(vec![replace()], vec![ANSWER], replaced)
            }
            Change::Soname => {
                needs(kind.used_as == Use::Library)?;
                // gold defines a version by the library's name, which keeps it.
                let gone = match kind.name.starts_with("gold") {
                    true => Vec::new(),
                    false => vec!["libsubject-0ldsoname"],
                };
                case(vec![soname()], gone, |after, _| {
                    after.soname = Some(SONAME.to_owned())
                })
            }
            Change::Cache => {
                needs(has_room(kind))?;
                case(vec![cache(kind)], Vec::new(), |_, _| {})
            }
            Change::Together => {
                needs(kind.linked)?;
                let other = match kind.used_as {
                    Use::Program => interpreter(kind),
                    Use::Library => soname(),
                };
                let cache = has_room(kind).then(|| cache(kind));
                let edits = [other, replace(), runpath(&longer(kind))];
                case(
                    edits.into_iter().chain(cache).collect(),
                    vec![OLD_RUNPATH, ANSWER],
                    |after, kind| {
                        replaced(after, kind);
                        set_runpath(after, longer(kind));
                        match kind.used_as {
                            Use::Program => {
                                after.interpreter = Some(text(&kind.target.other_interpreter));
                            }
                            Use::Library => after.soname = Some(SONAME.to_owned()),
                        }
                    },
                )
            }
        })
    }
}

fn set_runpath(after: &mut Meaning, value: String) {
    after.runpath = Some(value);
    after.rpath = None;
}

const SONAME: &str = "libsubject-by-a-name-that-is-longer-than-before.so.9";

fn replaced(after: &mut Meaning, _: &Kind) {
    for name in after.needed.iter_mut().filter(|name| *name == ANSWER) {
        *name = ANOTHER.to_owned();
    }
    for line in after.prints.iter_mut().filter(|line| *line == "answer 42") {
        *line = "answer 43".to_owned();
    }
}

fn replace() -> Edit {
    Edit::ReplaceNeeded {
        from: ANSWER.into(),
        to: ANOTHER.into(),
    }
}

fn soname() -> Edit {
    Edit::SetSoname(SONAME.into())
}

/// Whether there is room for the two program headers of a resolution cache: what is in their way on
/// MIPS can't move, nor can a table that is elsewhere.
fn has_room(kind: &Kind) -> bool {
    !kind.name.starts_with("mips") && !kind.may_be_unsafe_to_strip
}

fn cache(kind: &Kind) -> Edit {
    let found = format!("={}/{ANOTHER}", libs(kind));
    let entries = [(ANOTHER.as_bytes(), found.as_bytes())];
    Edit::SetResolutionCache(elf_edit::resolution_cache::encode(entries))
}

fn interpreter(kind: &Kind) -> Edit {
    Edit::SetInterpreter(text(&kind.target.other_interpreter).into())
}

fn runpath(value: &str) -> Edit {
    Edit::SetRunpath(value.into())
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

fn libs(kind: &Kind) -> String {
    text(&kind.target.libs())
}

fn longer(kind: &Kind) -> String {
    format!(
        "/run/opengl-driver/lib:/nix/store/{NEW}-some-library-1.2.3/lib:{}:/nix/store/{NEW}-another-library-4.5.6-lib/lib",
        libs(kind)
    )
}

/// A RUNPATH that works, of another length each round.
pub fn runpath_of_round(kind: &Kind, round: usize) -> String {
    format!("{}:/{}", libs(kind), "r".repeat(10 * round))
}

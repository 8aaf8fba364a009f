//! One JSON object a file, on one line. Keys are stable: docs/inspect.md documents them.
//!
//! Invalid UTF-8 and control characters appear as `\xNN`.

use super::super::schema::INSPECT;
use super::super::{entries_json, groups_json, problems_json};
use super::schema::{
    CandidateJson, Considered, Counts, EntryJson, File, HiddenJson, Loaded, LoadedByJson, Loader,
    MissingSymbolJson, NeedJson, NixLd, PreloadJson, ProblemJson, ScriptJson, Summary,
};
use super::shown;
use super::{Inspected, Script};
use crate::escape::counted;
use crate::loader::{
    Candidate, Hidden, Interpreter, LoadProblem, LoadedBy, MissingSymbol, Need, Object, Resolution,
    SearchEntry, SearchLog, Step, Via,
};
use serde::Serialize;

fn loader(i: &Interpreter) -> Loader {
    Loader {
        path: text(&i.path),
        exists: i.exists,
        rules: i.rules.describe(),
        directories: i.directories.iter().map(|d| directory(d)).collect(),
        cache: i.cache.as_deref().map(text),
        nix_ld: i.nix_ld.as_ref().map(|nix_ld| NixLd {
            loader: text(&nix_ld.loader),
            library_path: text(&nix_ld.library_path),
        }),
    }
}

/// The line of one file.
pub(crate) fn json(file: Inspected) -> serde_json::Result<String> {
    let resolution = file.resolution;
    let dynamic = file.info.dynamic.as_ref();
    line(&File {
        schema: INSPECT,
        path: crate::escape::shown(file.path).to_string(),
        scripts: file.scripts.iter().map(script).collect(),
        kind: file.info.kind.as_str(),
        machine: file.machine(),
        interpreter: file.info.interpreter.as_deref().map(text),
        loader: resolution.interpreter.as_ref().map(loader),
        on_its_own: file.on_its_own(),
        loaded_by: loaded_by(file),
        soname: dynamic.and_then(|d| d.soname.as_deref()).map(text),
        runpath: resolution.runpath.iter().map(entry).collect(),
        rpath: resolution.rpath.iter().map(entry).collect(),
        resolution_cache: super::cache::json(file),
        needed: resolution.objects[0]
            .needs
            .iter()
            .map(|n| need(resolution, n))
            .collect(),
        dlopen: resolution
            .dlopen
            .iter()
            .map(|c| candidate(resolution, c))
            .collect(),
        loaded: resolution
            .loaded()
            .iter()
            .skip(1)
            .map(|o| loaded(resolution, o))
            .collect(),
        missing_symbols: resolution
            .missing_symbols
            .iter()
            .map(|symbol| missing_symbol(resolution, symbol))
            .collect(),
        preloads: resolution
            .preloads
            .iter()
            .map(|preload| PreloadJson {
                name: text(&preload.name),
                resolved: preload.object.map(|o| text(&resolution.objects[o].path)),
                message: preload.why.as_ref().map(ToString::to_string),
            })
            .collect(),
        hidden: resolution
            .hidden_by_environment()
            .map(|h| hidden(file, h))
            .collect(),
        loads: resolution.loads(),
        failing_opens: resolution.failed_opens.into(),
        problems: problems(file),
        cudart: file.cuda.map(|cuda| (&cuda.cudart).into()),
        device_code: file.cuda.map(|cuda| groups_json(&cuda.code)),
        device_code_entries: file
            .cuda
            .filter(|cuda| cuda.every)
            .map(|cuda| entries_json(&cuda.code)),
        device_code_problems: file.cuda.map(|cuda| problems_json(&cuda.code)),
    })
}

fn script(script: &Script) -> ScriptJson {
    ScriptJson {
        path: crate::escape::shown(&script.path).to_string(),
        line: text(&script.line),
    }
}

fn missing_symbol(resolution: &Resolution, symbol: &MissingSymbol) -> MissingSymbolJson {
    MissingSymbolJson {
        name: text(&symbol.name),
        version: symbol.version.as_deref().map(text),
        needed_by: text(&resolution.objects[symbol.by].path),
        bound: match symbol.lazy {
            true => "call",
            false => "start",
        },
        fatal: resolution.is_fatal(symbol),
    }
}

/// The reasons why the file does not load, each with its advice.
fn problems(file: Inspected) -> Vec<ProblemJson> {
    let problems = file.resolution.problems().into_iter().enumerate();
    problems
        .map(|(at, found)| {
            let mut line = problem(file.resolution, found);
            if let Some(advice) = file.advice.get(at) {
                line.notes.clone_from(&advice.notes);
                line.helps.clone_from(&advice.helps);
            }
            line
        })
        .collect()
}

/// The last line of a run over a directory: the numbers of inspected and of skipped files.
pub(crate) fn summary(
    files: u64,
    skipped: impl Iterator<Item = (&'static str, u64)>,
) -> serde_json::Result<String> {
    line(&Summary {
        schema: INSPECT,
        summary: Counts {
            files,
            skipped: skipped.collect(),
        },
    })
}

fn line(value: &impl Serialize) -> serde_json::Result<String> {
    let mut line = serde_json::to_string(value)?;
    line.push('\n');
    Ok(line)
}

fn text(bytes: &[u8]) -> String {
    shown(bytes).to_string()
}

fn texts(list: &[Vec<u8>]) -> Vec<String> {
    list.iter().map(|bytes| text(bytes)).collect()
}

fn directory(prefix: &[u8]) -> String {
    super::shown_dir(prefix).to_string()
}

fn entry(entry: &SearchEntry) -> EntryJson {
    use crate::loader::Mark;
    EntryJson {
        entry: text(&entry.text),
        directory: entry.directory.as_deref().map(directory),
        exists: entry.directory.is_some() && !entry.marks.contains(&Mark::Missing),
        provides: texts(&entry.provides),
        provides_dlopen: texts(&entry.provides_dlopen),
        marks: entry
            .marks
            .iter()
            .map(|m| m.as_str().replace(' ', "-"))
            .collect(),
    }
}

fn loaded_by(file: Inspected) -> LoadedByJson {
    let by = &file.resolution.loaded_by;
    let mut line = LoadedByJson {
        how: match by {
            LoadedBy::Itself { .. } => "itself",
            LoadedBy::First => "first",
            LoadedBy::Program { opened: false, .. } => "needed",
            LoadedBy::Program { opened: true, .. } => "opened",
            LoadedBy::Nothing => "nothing",
        },
        program: None,
        user: None,
        privileges: None,
        secure: by.secure(),
        loads_for_ordinary_user: file.ordinary.map(Resolution::loads),
    };
    match by {
        LoadedBy::Itself { user, privileges } if privileges.any() => {
            line.user = Some(user.to_string());
            line.privileges = Some(privileges.to_string());
        }
        LoadedBy::Program { path, .. } => line.program = Some(text(path)),
        _ => {}
    }
    line
}

fn hidden(file: Inspected, hidden: &Hidden) -> HiddenJson {
    let resolution = file.resolution;
    let (via, of) = via(resolution, Some(hidden.via));
    HiddenJson {
        name: text(&hidden.name),
        needed_by: text(&resolution.objects[hidden.by].path),
        variable: file.variable(hidden.object),
        resolved: text(&resolution.objects[hidden.object].path),
        hidden: text(&hidden.path),
        via,
        of,
    }
}

/// The step's word, and the path of the object whose RPATH or RUNPATH it is.
fn step(resolution: &Resolution, step: Step) -> (String, Option<String>) {
    let of = step.owner().map(|o| text(&resolution.objects[o].path));
    (step.as_str().to_ascii_lowercase(), of)
}

fn via(resolution: &Resolution, via: Option<Via>) -> (Option<String>, Option<String>) {
    match via {
        Some(via) => {
            let (word, of) = step(resolution, via.step);
            (Some(word), of)
        }
        None => (None, None),
    }
}

fn considered(resolution: &Resolution, trail: &SearchLog) -> Vec<Considered> {
    let mut list: Vec<Considered> = trail
        .tried
        .iter()
        .map(|tried| {
            let (step, of) = step(resolution, tried.step);
            Considered {
                step,
                of,
                place: (!tried.place.is_empty()).then(|| directory(&tried.place)),
                why: tried.why.code(),
                message: text(tried.why.to_string().as_bytes()),
            }
        })
        .collect();
    if trail.left_out > 0 {
        list.push(Considered {
            step: "more".into(),
            of: None,
            place: None,
            why: "not-listed",
            message: counted(trail.left_out, "more place", "more places"),
        });
    }
    list
}

fn need(resolution: &Resolution, need: &Need) -> NeedJson {
    let (via, of) = via(resolution, need.via);
    NeedJson {
        name: text(&need.name),
        resolved: need.object.map(|o| text(&resolution.objects[o].path)),
        via,
        of,
        missing_versions: texts(&need.missing_versions),
        considered: considered(resolution, &need.trail),
    }
}

fn candidate(resolution: &Resolution, candidate: &Candidate) -> CandidateJson {
    let found = candidate.found.as_ref();
    let (via, of) = via(resolution, found.map(|f| f.via));
    CandidateJson {
        names: texts(&candidate.names),
        source: if candidate.noted { "note" } else { "string" },
        feature: candidate.feature.as_ref().map(|f| text(f.as_bytes())),
        priority: candidate.priority.as_ref().map(|p| text(p.as_bytes())),
        found: found.map(|f| text(&f.name)),
        resolved: found.map(|f| text(&f.path)),
        via,
        of,
        considered: candidate
            .trails
            .iter()
            .flat_map(|t| considered(resolution, t))
            .collect(),
    }
}

fn loaded(resolution: &Resolution, object: &Object) -> Loaded {
    let (via, of) = via(resolution, object.via);
    let soname = object.library.as_ref().and_then(|l| l.soname.as_deref());
    Loaded {
        path: text(&object.path),
        soname: soname.map(text),
        needed_by: object
            .needed_by
            .map(|by| text(&resolution.objects[by].path)),
        via,
        of,
    }
}

fn problem(resolution: &Resolution, problem: LoadProblem) -> ProblemJson {
    let mut line = ProblemJson {
        problem: "incomplete",
        needed_by: None,
        name: None,
        resolved: None,
        versions: Vec::new(),
        notes: Vec::new(),
        helps: Vec::new(),
        considered: Vec::new(),
    };
    match problem {
        LoadProblem::NoInterpreter(interpreter) => {
            line.problem = "interpreter";
            line.name = Some(text(&interpreter.path));
        }
        LoadProblem::Missing(object, missing) => {
            line.problem = "missing";
            line.needed_by = Some(text(&object.path));
            line.name = Some(text(&missing.name));
            line.considered = considered(resolution, &missing.trail);
        }
        LoadProblem::Versions(object, lacking) => {
            let found = need(resolution, lacking);
            line.problem = "version";
            line.needed_by = Some(text(&object.path));
            line.name = Some(found.name);
            line.resolved = found.resolved;
            line.versions = found.missing_versions;
        }
        LoadProblem::VersionsOfNothing(object, name) => {
            line.problem = "version-of-nothing";
            line.needed_by = Some(text(&object.path));
            line.name = Some(text(name));
        }
        LoadProblem::Symbol(object, symbol) => {
            line.problem = "symbol";
            line.needed_by = Some(text(&object.path));
            line.name = Some(text(&symbol.name));
            line.versions.extend(symbol.version.as_deref().map(text));
        }
        LoadProblem::Incomplete => {}
    }
    line
}

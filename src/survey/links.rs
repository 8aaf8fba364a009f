//! The libraries that a file loads or opens itself, each with the search that led to it.

use crate::escape::{Shown, counted};
use crate::loader::{Resolution, SearchLog, Step, Via};
use elf_edit::FileId;

/// Failed attempts that are kept of one search.
const MAX_TRAIL: usize = 50;

/// A library by the name that a file has for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LibraryLink {
    /// The name in DT_NEEDED, or that the file opens.
    pub name: Vec<u8>,
    /// The file opens it with dlopen, or may do so; else the loader does.
    pub opened: bool,
    /// The file that is found.
    pub found: Option<FoundFile>,
    /// The step that finds it: `RUNPATH`.
    pub step: Option<String>,
    /// The places that were searched before, in order, each with the reason.
    pub trail: Vec<String>,
}

/// A file that the loader opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FoundFile {
    pub path: Vec<u8>,
    /// `None` where it is gone.
    pub id: Option<FileId>,
}

/// The links of the file that `resolution` is about; `id_of` identifies the file at a path.
pub(crate) fn links(
    resolution: &Resolution,
    id_of: impl Fn(&[u8]) -> Option<FileId>,
) -> Vec<LibraryLink> {
    let needs = resolution
        .objects
        .first()
        .into_iter()
        .flat_map(|o| &o.needs);
    let needed = needs.map(|need| {
        let object = need.object.and_then(|at| resolution.objects.get(at));
        LibraryLink {
            name: need.name.clone(),
            opened: false,
            found: object.map(|object| FoundFile {
                path: object.path.clone(),
                id: object.library.as_ref().map(|library| library.id),
            }),
            step: need.via.map(|via| step(resolution, via.step)),
            trail: trail(resolution, &need.trail, need.via),
        }
    });
    let opened = resolution.dlopen.iter().map(|candidate| {
        let found = candidate.found.as_ref();
        let first = || candidate.names.first().cloned().unwrap_or_default();
        let via = found.map(|found| found.via);
        let logs = candidate.trails.iter();
        let mut tried: Vec<String> = logs.flat_map(|log| trail(resolution, log, None)).collect();
        tried.truncate(MAX_TRAIL);
        LibraryLink {
            name: found.map_or_else(first, |found| found.name.clone()),
            opened: true,
            found: found.map(|found| FoundFile {
                path: found.path.clone(),
                id: id_of(&found.path),
            }),
            step: via.map(|via| step(resolution, via.step)),
            trail: tried,
        }
    });
    needed.chain(opened).collect()
}

/// `RUNPATH`, `RPATH of /x/liby.so`.
fn step(resolution: &Resolution, step: Step) -> String {
    let owner = step.owner().filter(|owner| *owner != 0);
    match owner.and_then(|owner| resolution.objects.get(owner)) {
        Some(owner) => format!("{} of {}", step.as_str(), Shown::from(&owner.path[..])),
        None => step.as_str().to_owned(),
    }
}

fn trail(resolution: &Resolution, log: &SearchLog, via: Option<Via>) -> Vec<String> {
    // What an earlier object loaded needs no search.
    if via.is_some_and(|via| via.step == Step::Loaded) {
        return Vec::new();
    }
    let tried = log.tried.iter().take(MAX_TRAIL).map(|tried| {
        let step = step(resolution, tried.step);
        match tried.place.is_empty() {
            true => format!("{step}: {}", tried.why),
            false => format!("{step} {}: {}", Shown::from(&tried.place[..]), tried.why),
        }
    });
    let mut trail: Vec<String> = tried.collect();
    let more = log.left_out + log.tried.len().saturating_sub(MAX_TRAIL);
    if more > 0 {
        trail.push(format!(
            "and {}",
            counted(more, "more place", "more places")
        ));
    }
    trail
}

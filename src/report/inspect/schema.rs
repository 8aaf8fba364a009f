//! The shape of one line of `--json`: docs/inspect.md has each key.

use crate::loader::FailedOpens;
use crate::report::CudartJson;
use serde::Serialize;
use serde_json::Value;

#[derive(Serialize)]
pub(super) struct File {
    pub(super) schema: &'static str,
    pub(super) path: String,
    pub(super) scripts: Vec<ScriptJson>,
    pub(super) kind: &'static str,
    pub(super) machine: String,
    pub(super) interpreter: Option<String>,
    pub(super) loader: Option<Loader>,
    pub(super) on_its_own: bool,
    pub(super) loaded_by: LoadedByJson,
    pub(super) soname: Option<String>,
    pub(super) runpath: Vec<EntryJson>,
    pub(super) rpath: Vec<EntryJson>,
    pub(super) resolution_cache: Option<CacheJson>,
    pub(super) needed: Vec<NeedJson>,
    pub(super) dlopen: Vec<CandidateJson>,
    pub(super) loaded: Vec<Loaded>,
    pub(super) missing_symbols: Vec<MissingSymbolJson>,
    pub(super) preloads: Vec<PreloadJson>,
    pub(super) hidden: Vec<HiddenJson>,
    pub(super) loads: bool,
    pub(super) failing_opens: FailingOpensJson,
    pub(super) problems: Vec<ProblemJson>,
    pub(super) cudart: Option<CudartJson>,
    pub(super) device_code: Option<Value>,
    pub(super) device_code_entries: Option<Value>,
    pub(super) device_code_problems: Option<Value>,
}

#[derive(Serialize)]
pub(super) struct ScriptJson {
    pub(super) path: String,
    pub(super) line: String,
}

#[derive(Serialize)]
pub(super) struct Loader {
    pub(super) path: String,
    pub(super) exists: bool,
    pub(super) rules: String,
    pub(super) directories: Vec<String>,
    pub(super) cache: Option<String>,
    pub(super) nix_ld: Option<NixLd>,
}

/// The interpreter is nix-ld.
#[derive(Serialize)]
pub(super) struct NixLd {
    pub(super) loader: String,
    pub(super) library_path: String,
}

/// The process to which the result applies.
#[derive(Serialize)]
pub(super) struct LoadedByJson {
    pub(super) how: &'static str,
    pub(super) program: Option<String>,
    pub(super) user: Option<String>,
    pub(super) privileges: Option<String>,
    pub(super) secure: bool,
    pub(super) loads_for_ordinary_user: Option<bool>,
}

#[derive(Serialize)]
pub(super) struct MissingSymbolJson {
    pub(super) name: String,
    pub(super) version: Option<String>,
    pub(super) needed_by: String,
    pub(super) bound: &'static str,
    pub(super) fatal: bool,
}

#[derive(Serialize)]
pub(super) struct PreloadJson {
    pub(super) name: String,
    pub(super) resolved: Option<String>,
    pub(super) message: Option<String>,
}

#[derive(Serialize)]
pub(super) struct HiddenJson {
    pub(super) name: String,
    pub(super) needed_by: String,
    pub(super) variable: &'static str,
    pub(super) resolved: String,
    pub(super) hidden: String,
    pub(super) via: Option<String>,
    pub(super) of: Option<String>,
}

#[derive(Serialize)]
pub(super) struct EntryJson {
    pub(super) entry: String,
    pub(super) directory: Option<String>,
    pub(super) exists: bool,
    pub(super) provides: Vec<String>,
    pub(super) provides_dlopen: Vec<String>,
    pub(super) marks: Vec<String>,
}

#[derive(Serialize)]
pub(super) struct CacheJson {
    pub(super) entries: Vec<CacheEntryJson>,
    pub(super) left_out: usize,
    pub(super) stale: Vec<String>,
}

#[derive(Serialize)]
pub(super) struct CacheEntryJson {
    pub(super) name: String,
    pub(super) places: Vec<CachePlaceJson>,
}

#[derive(Serialize)]
pub(super) struct CachePlaceJson {
    pub(super) how: &'static str,
    pub(super) path: String,
}

#[derive(Serialize)]
pub(super) struct NeedJson {
    pub(super) name: String,
    pub(super) resolved: Option<String>,
    pub(super) via: Option<String>,
    pub(super) of: Option<String>,
    pub(super) missing_versions: Vec<String>,
    pub(super) considered: Vec<Considered>,
}

#[derive(Serialize)]
pub(super) struct Considered {
    pub(super) step: String,
    pub(super) of: Option<String>,
    pub(super) place: Option<String>,
    pub(super) why: &'static str,
    pub(super) message: String,
}

#[derive(Serialize)]
pub(super) struct CandidateJson {
    pub(super) names: Vec<String>,
    pub(super) source: &'static str,
    pub(super) feature: Option<String>,
    pub(super) priority: Option<String>,
    pub(super) found: Option<String>,
    pub(super) resolved: Option<String>,
    pub(super) via: Option<String>,
    pub(super) of: Option<String>,
    pub(super) considered: Vec<Considered>,
}

#[derive(Serialize)]
pub(super) struct Loaded {
    pub(super) path: String,
    pub(super) soname: Option<String>,
    pub(super) needed_by: Option<String>,
    pub(super) via: Option<String>,
    pub(super) of: Option<String>,
}

#[derive(Serialize)]
pub(super) struct ProblemJson {
    pub(super) problem: &'static str,
    pub(super) needed_by: Option<String>,
    pub(super) name: Option<String>,
    pub(super) resolved: Option<String>,
    pub(super) versions: Vec<String>,
    pub(super) notes: Vec<String>,
    pub(super) helps: Vec<String>,
    pub(super) considered: Vec<Considered>,
}

#[derive(Serialize)]
pub(super) struct Summary {
    pub(super) schema: &'static str,
    pub(super) summary: Counts,
}

#[derive(Serialize)]
pub(super) struct Counts {
    pub(super) files: u64,
    pub(super) skipped: std::collections::BTreeMap<&'static str, u64>,
}

/// Attempts to open a file that fail at the start.
#[derive(Serialize)]
pub(super) struct FailingOpensJson {
    pub(super) directories: u64,
    pub(super) for_processor: u64,
}

impl From<FailedOpens> for FailingOpensJson {
    fn from(failed: FailedOpens) -> FailingOpensJson {
        FailingOpensJson {
            directories: failed.plain,
            for_processor: failed.for_processor,
        }
    }
}

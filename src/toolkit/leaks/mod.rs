//! Finds paths in files that must not be there: a farm's, a build directory's, a compiler's.
//!
//! A farm is deleted after its build, or kept alive by every file that names it. In text of known
//! syntax (`.cmake`, `.pc`) the farm's paths are replaced by those of the prefixes behind them;
//! elsewhere, and where there are several candidates, the file and the position are reported.

mod places;
mod search;
mod text;

use super::record::Record;
use crate::escape::shown;
use crate::scan::{self, FileError, ScanProblem, Walk};
use places::Places;
use search::Needles;
use std::fs;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// A search request: paths and trees.
#[derive(Clone, Debug)]
pub(crate) struct LeaksRequest {
    /// Trees and files.
    pub paths: Vec<PathBuf>,
    /// Paths to find, absolute.
    pub forbidden: Vec<PathBuf>,
    /// A farm, whose paths may be rewritten in text.
    pub farm: Option<(PathBuf, Record)>,
    /// Look at RUNPATHs only.
    pub runpaths_only: bool,
    pub dry_run: bool,
}

/// One leak that stays.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Leak {
    pub file: PathBuf,
    /// Its position, and why it can't be rewritten.
    pub what: String,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct FoundLeaks {
    /// Leaks that stay, by file.
    pub leaks: Vec<Leak>,
    /// Files that were rewritten (or would have been), by name.
    pub rewritten: Vec<PathBuf>,
    /// Files that could not be read or written.
    pub problems: Vec<ScanProblem>,
}

/// Longest text that is rewritten: real ones have some kilobytes.
const MAX_TEXT: u64 = 16 << 20;

/// The leaks in one file.
#[derive(Clone, Debug)]
enum File {
    Clean,
    Leaks(String),
    Rewritten,
}

/// Searches the trees, files in parallel, and rewrites paths where possible.
pub(crate) fn find(request: &LeaksRequest) -> io::Result<FoundLeaks> {
    let roots = request.farm.iter().map(|(root, _)| root);
    let needles = Needles::new(roots.chain(&request.forbidden))?;
    let places = request
        .farm
        .as_ref()
        .map(|(root, record)| Places::new(root, record));
    let walk = Walk {
        wanted_link: &|_| true,
        ..Walk::of(&request.paths)
    };
    let visit = scan::visit(walk, |walked, file| {
        if request.runpaths_only {
            return in_runpaths(file, &needles);
        }
        let length = file.metadata().len();
        let Some(hit) = needles.first(file).map_err(|e| problem(&e))? else {
            return Ok(File::Clean);
        };
        let leaks = |why: &str| Ok(File::Leaks(format!("{hit}{why}")));
        let (Some(kind), Some(places)) = (text::TextKind::of(&walked.path), &places) else {
            return leaks("");
        };
        if length > MAX_TEXT {
            return leaks(", in a text too long to rewrite");
        }
        let text = fs::read(&walked.path).map_err(|e| problem(&e))?;
        match text::rewrite(kind, &text, places) {
            Err(why) => Ok(File::Leaks(why)),
            Ok(text) => match needles.first(&text[..]).map_err(|e| problem(&e))? {
                Some(left) => Ok(File::Leaks(left.to_string())),
                None if request.dry_run => Ok(File::Rewritten),
                None => {
                    replace(&walked.path, &text).map_err(|e| problem(&e))?;
                    Ok(File::Rewritten)
                }
            },
        }
    });
    let mut found = FoundLeaks {
        problems: visit.problems,
        ..FoundLeaks::default()
    };
    for file in visit.files {
        for name in file.names {
            match &file.value {
                File::Clean => {}
                File::Rewritten => found.rewritten.push(name),
                File::Leaks(what) => found.leaks.push(Leak {
                    file: name,
                    what: what.clone(),
                }),
            }
        }
    }
    if !request.runpaths_only {
        for link in visit.links {
            let link = link.path;
            let target = fs::read_link(&link)?;
            if needles.is_in(target.as_os_str().as_bytes()) {
                let what = format!("a link to {}", shown(&target));
                found.leaks.push(Leak { file: link, what });
            }
        }
    }
    found.leaks.sort();
    Ok(found)
}

fn problem(error: &io::Error) -> FileError {
    FileError::Problem(elf_edit::reason(error))
}

fn in_runpaths(file: &elf_edit::FileReader, needles: &Needles) -> Result<File, FileError> {
    let Ok(info) = scan::dynamic_info(file) else {
        return Ok(File::Clean);
    };
    let dynamic = info.dynamic.as_ref();
    let lists = dynamic.and_then(|d| d.runpath.as_deref().or(d.rpath.as_deref()));
    let mut entries = lists.unwrap_or_default().split(|&byte| byte == b':');
    Ok(match entries.find(|entry| needles.is_in(entry)) {
        Some(entry) => File::Leaks(format!(
            "its RUNPATH has {}",
            crate::escape::Shown::from(entry)
        )),
        None => File::Clean,
    })
}

/// Puts new contents in place of a file, whole or not at all, with its mode.
fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    let permissions = fs::metadata(path)?.permissions();
    let dir = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(dir)?;
    file.write_all(text)?;
    file.as_file().set_permissions(permissions)?;
    file.persist(path)?;
    Ok(())
}

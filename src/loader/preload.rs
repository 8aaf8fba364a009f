//! Libraries that are loaded before all that the program needs: LD_PRELOAD and
//! /etc/ld.so.preload (`do_preload` of glibc's elf/rtld.c, `load_preload` of musl).

use super::closure::{Closure, FoundObject};
use super::interpreter::Rules;
use super::search_log::{SearchLog, Step, Via, Why};
use elf_edit::{FileReader, ReadAt};

/// Limit of a list of libraries, in bytes.
const MAX_LIST: u64 = 1 << 16;
/// More names than any real list has.
const MAX_NAMES: usize = 256;

/// One library to preload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preload {
    pub name: Vec<u8>,
    /// Index of the object; `None` where it can't be loaded, of which the loader only warns.
    pub object: Option<usize>,
    /// Why it can't be loaded, if that lies in one file.
    pub why: Option<Why>,
    /// It is in the loader's own list, not in LD_PRELOAD.
    pub listed: bool,
}

/// Loads them. In secure-execution mode it ignores LD_PRELOAD: glibc accepts only set-uid libraries
/// of the default directories, which no system has.
pub(super) fn load(c: &mut Closure) {
    if c.system.rules == Rules::Unknown {
        return;
    }
    let mut names: Vec<(Vec<u8>, bool)> = Vec::new();
    let separates = |b: &u8| b" :".contains(b);
    if !c.variables.secure {
        let variable = c.variables.preload.split(separates);
        names.extend(variable.map(|name| (name.to_vec(), false)));
    }
    let listed = c.system.preloads.get_or_init(|| from_file(c));
    names.extend(listed.iter().map(|name| (name.clone(), true)));
    names.retain(|(name, _)| !name.is_empty());
    for (name, listed) in names.iter().take(MAX_NAMES) {
        let mut trail = SearchLog::default();
        let budget = c.trail_budget;
        let object = match c.find(0, name, &mut trail) {
            FoundObject::Known(object) => Some(object),
            FoundObject::File(path, library, _) => {
                c.add(0, name, path, library, Via::step(Step::Preload)).0
            }
            FoundObject::Nothing => None,
        };
        c.trail_budget = budget;
        c.preloads.push(Preload {
            name: name.clone(),
            object,
            why: match (object, trail.tried.pop(), trail.tried.is_empty()) {
                (None, Some(only), true) => Some(only.why),
                _ => None,
            },
            listed: *listed,
        });
    }
}

/// The names in the loader's own list; `#` begins a comment.
fn from_file(c: &Closure) -> Vec<Vec<u8>> {
    let read = || {
        let file = c.files.sysroot.open(c.system.preload_path.as_ref()?).ok()?;
        let reader = FileReader::new(file).ok()?;
        let len = reader.len();
        (len <= MAX_LIST).then(|| reader.read_vec(0, len as usize).ok())?
    };
    let text = read().unwrap_or_default();
    let lines = text.split(|&b| b == b'\n');
    lines
        .map(|line| line.split(|&b| b == b'#').next().unwrap_or_default())
        .flat_map(|line| line.split(|b| b" \t:".contains(b)))
        .map(<[u8]>::to_vec)
        .collect()
}

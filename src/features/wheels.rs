//! Whether the libraries of a package set suit wheels: each CUDA library that a wheel brings along,
//! needs or opens, against the set's one of the same name, by SONAME, version and symbols.

mod metadata;

use super::below;
use crate::cuda::libraries::CudaLibrary;
use crate::cuda::symbols::{is_of, of_interface, prefixes_of};
use crate::cuda::{Soname, driver};
use crate::escape::Shown;
use crate::redist::version;
use crate::rodata;
use crate::scan::{self, FileError, ScanProblem, Walk};
use elf_edit::{ElfInfo, FileReader, versions};
use metadata::Distributions;
use serde::Serialize;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// One library of the wheels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Suit {
    /// `libcudnn`
    pub library: String,
    pub verdict: Verdict,
    /// The SONAMEs that files of the wheels load, without those that the set's would replace.
    pub sonames: Vec<String>,
    /// The version that the wheels bring along, or pin in their metadata.
    pub version: Option<String>,
    /// Where that version is from.
    pub version_of: Option<String>,
    /// The set's library.
    pub has: Option<Provided>,
    /// Symbols and symbol versions that the set's library lacks.
    pub missing: Vec<MissingFromSet>,
}

/// Whether the set's library can replace the wheel's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Verdict {
    Suits,
    /// The set has it under another SONAME only.
    OtherSoname,
    /// It lacks symbols that the wheels import.
    SymbolsMissing,
    /// It has all symbols, but is older than the one that the wheels were built with.
    Older,
    /// The wheels bring it along, and the set has none.
    OnlyInWheel,
    /// Neither has it.
    Absent,
}

impl Verdict {
    /// Whether something is wrong.
    pub(crate) fn is_finding(self) -> bool {
        !matches!(self, Verdict::Suits | Verdict::OnlyInWheel)
    }
}

/// A library of the set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Provided {
    pub path: String,
    pub soname: String,
    pub version: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct MissingFromSet {
    /// A symbol, or a version such as `libcublas.so.12`.
    pub name: String,
    /// A file of the wheels that imports it.
    pub by: String,
}

/// One file of either side.
struct LinkedFile {
    path: PathBuf,
    shown: String,
    info: ElfInfo,
    /// SONAME, else the file's name.
    soname: Vec<u8>,
    version: Option<(String, String)>,
    /// NEEDED, and names that it may open.
    loads: BTreeSet<Vec<u8>>,
}

impl LinkedFile {
    fn stem(&self) -> Option<&[u8]> {
        Soname::parse(&self.soname).map(|soname| soname.stem)
    }
}

/// Compares the wheels with the set; sorted by library. The problems are files that can't be read.
pub(crate) fn compare(wheels: &[PathBuf], set: &[PathBuf]) -> (Vec<Suit>, Vec<ScanProblem>) {
    let distributions = Distributions::read(wheels);
    let (files, mut problems) = libraries(wheels, &distributions, true);
    let (provided, more) = libraries(set, &Distributions::read(set), false);
    problems.extend(more);
    // By stem: the sonames that are loaded.
    let mut loaded: BTreeMap<Vec<u8>, BTreeSet<Vec<u8>>> = BTreeMap::new();
    let listed = |name: &[u8]| {
        let stem = Soname::parse(name).map(|soname| soname.stem.to_vec())?;
        let is_cuda = CudaLibrary::of_soname(name).is_some() || has_stem(&provided, &stem);
        (is_cuda && driver::copy_of(name).is_none()).then_some(stem)
    };
    for stem in files.iter().filter_map(|file| listed(&file.soname)) {
        loaded.entry(stem).or_default();
    }
    // A library that the set has, too, loads the set's others in its place.
    let stays = |file: &&LinkedFile| !file.stem().is_some_and(|stem| has_stem(&provided, stem));
    let users: Vec<&LinkedFile> = files.iter().filter(stays).collect();
    for name in users.iter().flat_map(|file| &file.loads) {
        if let Some(stem) = listed(name) {
            loaded.entry(stem).or_default().insert(name.clone());
        }
    }
    let wheel = Wheel {
        files: &files,
        users: &users,
        distributions: &distributions,
    };
    let mut suits = Vec::new();
    for (stem, names) in loaded {
        match wheel.suit(&stem, names, &provided) {
            Ok(suit) => suits.push(suit),
            Err(problem) => problems.push(problem),
        }
    }
    (suits, problems)
}

fn has_stem(libraries: &[LinkedFile], stem: &[u8]) -> bool {
    libraries.iter().any(|library| library.stem() == Some(stem))
}

/// All shared libraries and programs of some directories.
fn libraries(
    directories: &[PathBuf],
    distributions: &Distributions,
    with_loads: bool,
) -> (Vec<LinkedFile>, Vec<ScanProblem>) {
    let visit = scan::visit(Walk::of(directories), |_, file| {
        let info = scan::dynamic_info(file)?;
        let mut loads: BTreeSet<Vec<u8>> = info.needed().iter().cloned().collect();
        if with_loads {
            loads.extend(rodata::read(file, &info).map_err(problem)?.sonames);
        }
        Ok((info, loads))
    });
    let roots: Vec<PathBuf> = visit.roots.into_iter().map(|root| root.given).collect();
    let libraries = visit.files.into_iter().map(|file| {
        let path = file.names[0].clone();
        let name = path.file_name().unwrap_or_default().as_encoded_bytes();
        let (info, loads) = file.value;
        let soname = info.dynamic.as_ref().and_then(|d| d.soname.clone());
        let soname = soname.unwrap_or_else(|| name.to_vec());
        let below = below(&roots[file.root], &path);
        LinkedFile {
            version: of_name(name, &soname).or_else(|| distributions.of_file(&path)),
            shown: match roots.len() {
                1 => below,
                _ => crate::escape::shown(&path).to_string(),
            },
            path,
            info,
            soname,
            loads,
        }
    });
    (libraries.collect(), visit.problems)
}

fn problem(error: elf_edit::ReadError) -> FileError {
    FileError::Problem(error.to_string())
}

/// The version in the name of a file: more exact than its SONAME's.
fn of_name(name: &[u8], soname: &[u8]) -> Option<(String, String)> {
    let own = Soname::parse(name)?;
    let parts = |soname: &Soname| soname.version.split(|&b| b == b'.').count();
    let of_soname = Soname::parse(soname).map_or(0, |soname| parts(&soname));
    let exact = parts(&own) > of_soname.max(1);
    exact.then(|| (text(own.version), "its file's name".to_owned()))
}

fn text(bytes: &[u8]) -> String {
    Shown::from(bytes).to_string()
}

/// The files of all wheels.
struct Wheel<'a> {
    files: &'a [LinkedFile],
    /// Those that stay when the set's libraries replace the others.
    users: &'a [&'a LinkedFile],
    distributions: &'a Distributions,
}

impl Wheel<'_> {
    fn suit(
        &self,
        stem: &[u8],
        names: BTreeSet<Vec<u8>>,
        set: &[LinkedFile],
    ) -> Result<Suit, ScanProblem> {
        let own = self.files.iter().find(|file| file.stem() == Some(stem));
        let pinned = || self.distributions.pin_of(stem);
        let version = own.and_then(|own| own.version.clone()).or_else(pinned);
        // A bare name is for a linker.
        let is_exact = |name: &&Vec<u8>| {
            Soname::parse(name).is_some_and(|n| !n.version.is_empty() && !n.renamed)
        };
        let exact: BTreeSet<&Vec<u8>> = names.iter().filter(is_exact).collect();
        let same = set.iter().filter(|library| library.stem() == Some(stem));
        let same: Vec<&LinkedFile> = same.collect();
        let takes = |library: &&&LinkedFile| exact.is_empty() || exact.contains(&library.soname);
        let found = same.iter().find(takes).or(same.first()).copied();
        let mut suit = Suit {
            library: text(stem),
            verdict: Verdict::Suits,
            sonames: exact.iter().map(|name| text(name)).collect(),
            version: version.as_ref().map(|(version, _)| version.clone()),
            version_of: version.map(|(_, of)| of),
            has: found.map(|library| Provided {
                path: library.shown.clone(),
                soname: text(&library.soname),
                version: library.version.as_ref().map(|(version, _)| version.clone()),
            }),
            missing: Vec::new(),
        };
        let Some(library) = found else {
            suit.verdict = match own {
                Some(_) => Verdict::OnlyInWheel,
                None => Verdict::Absent,
            };
            return Ok(suit);
        };
        suit.missing = self.missing(stem, library)?;
        suit.verdict = if !takes(&&library) {
            Verdict::OtherSoname
        } else if !suit.missing.is_empty() {
            Verdict::SymbolsMissing
        } else if is_older(
            suit.has.as_ref().and_then(|h| h.version.as_ref()),
            &suit.version,
        ) {
            Verdict::Older
        } else {
            Verdict::Suits
        };
        Ok(suit)
    }

    /// Symbols of the library's interface, and versions of it, that files of the wheels import and
    /// the set's library does not define.
    fn missing(
        &self,
        stem: &[u8],
        library: &LinkedFile,
    ) -> Result<Vec<MissingFromSet>, ScanProblem> {
        let prefixes = prefixes_of(stem);
        let defined = with_file(library, |file| of_interface(file, &library.info, &prefixes))?;
        let versions = with_file(library, |file| versions::defined(file, &library.info))?;
        let versions = versions.map(|list| -> BTreeSet<Vec<u8>> {
            list.into_iter().map(|version| version.name).collect()
        });
        let mut missing = BTreeMap::new();
        let mut add = |name: Vec<u8>, by: &LinkedFile| {
            missing.entry(text(&name)).or_insert(by.shown.clone());
        };
        for file in self.users {
            let is_needed =
                |name: &Vec<u8>| Soname::parse(name).is_some_and(|soname| soname.stem == stem);
            if !file.info.needed().iter().any(is_needed) {
                continue;
            }
            if !prefixes.is_empty() {
                let wanted = with_file(file, |opened| of_interface(opened, &file.info, &prefixes))?;
                let wanted = wanted
                    .wanted
                    .into_iter()
                    .filter(|symbol| prefixes.iter().any(|prefix| is_of(symbol, prefix)));
                for symbol in wanted.filter(|symbol| !defined.defined.contains(symbol)) {
                    add(symbol, file);
                }
            }
            let Some(versions) = &versions else {
                continue;
            };
            let wanted = with_file(file, |opened| versions::wanted(opened, &file.info))?;
            let of_library = wanted.into_iter().filter(|wanted| is_needed(&wanted.file));
            for version in of_library.flat_map(|wanted| wanted.versions) {
                if !version.weak && !versions.contains(&version.name) {
                    add(version.name, file);
                }
            }
        }
        let missing = missing.into_iter();
        Ok(missing
            .map(|(name, by)| MissingFromSet { name, by })
            .collect())
    }
}

fn with_file<T>(
    library: &LinkedFile,
    read: impl FnOnce(&FileReader) -> Result<T, elf_edit::ReadError>,
) -> Result<T, ScanProblem> {
    let failed = |what: String| ScanProblem {
        path: library.path.clone(),
        what,
    };
    let file = scan::open(&library.path, true).map_err(|error| match error {
        FileError::Skip(skip) => failed(format!("expected a library, found: {}", skip.found())),
        FileError::Malformed(what) | FileError::Problem(what) => failed(what),
    })?;
    read(&file).map_err(|error| failed(error.to_string()))
}

/// Whether the set's is older, in the parts that both have: a file has 9.14.0, a wheel 9.14.0.64.
fn is_older(has: Option<&String>, wanted: &Option<String>) -> bool {
    let (Some(has), Some(wanted)) = (has, wanted) else {
        return false;
    };
    let parts = has.split('.').count().min(wanted.split('.').count());
    let common = |text: &str| text.split('.').take(parts).collect::<Vec<_>>().join(".");
    version::compare(&common(has), &common(wanted)) == Ordering::Less
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_in_the_parts_that_both_have() {
        let older = |has: &str, wanted: &str| is_older(Some(&has.to_owned()), &Some(wanted.into()));
        assert!(older("9.9.0", "9.10.2.21") && older("12.9", "13"));
        assert!(!older("9.10.2", "9.10.2.21") && !older("9.10.2.21", "9.10.2"));
        assert!(!older("13.5.37", "13.2.86") && !is_older(None, &Some("1".into())));
    }

    #[test]
    fn a_file_name_has_a_version_if_it_is_more_than_the_soname() {
        let of = |name: &str, soname: &str| {
            of_name(name.as_bytes(), soname.as_bytes()).map(|(version, _)| version)
        };
        assert_eq!(
            of("libcudnn.so.9.14.0", "libcudnn.so.9").as_deref(),
            Some("9.14.0")
        );
        assert_eq!(
            of(
                "libcudart-53d54daa.so.12.6.68",
                "libcudart-53d54daa.so.12.6.68"
            ),
            None
        );
        assert_eq!(of("libcudart.so.11.0", "libcudart.so.11.0"), None);
        assert_eq!(of("libcudnn.so.9", "libcudnn.so.9"), None);
        assert_eq!(of("libx.so", "libx.so.1"), None);
    }
}

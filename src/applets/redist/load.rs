//! Manifests from files and directories, with the problems printed as they are found.

use crate::escape::shown;
use crate::redist::manifest::{self, Manifest};
use crate::redist::nvidia::{self, Given};
use crate::redist::{ManifestProblem, Release, Severity, Tables, join::Joined};
use crate::scan::read_small_text;
use anyhow::Context;
use serde::Serialize;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The largest file that is read: forty times the largest manifest.
const LARGEST: u64 = 16 << 20;

pub(super) struct Loader {
    /// Products, systems, licences.
    pub tables: Tables,
    /// Warnings are errors.
    pub strict: bool,
    /// The user's value for each file.
    pub product: Option<String>,
    pub version: Option<String>,
    json: bool,
    pub errors: usize,
    pub warnings: usize,
}

#[derive(Serialize)]
struct ProblemLine<'a> {
    file: String,
    #[serde(flatten)]
    problem: &'a ManifestProblem,
}

impl Loader {
    /// A loader that prints problems as text, or as JSON objects.
    pub(super) fn new(json: bool) -> anyhow::Result<Loader> {
        Ok(Loader {
            tables: Tables::read().context("the table of redistributables")?,
            strict: false,
            product: None,
            version: None,
            json,
            errors: 0,
            warnings: 0,
        })
    }

    /// All manifests of the paths joined; `None` if there was an error.
    pub(super) fn manifest(&mut self, paths: &[PathBuf]) -> Option<Manifest> {
        let errors = self.errors;
        let mut joined = Joined::default();
        for path in paths {
            for file in self.files(path) {
                let name = shown(&file).to_string();
                for release in self.releases(&file) {
                    let problems = joined.add(release, &name);
                    self.report(&file, problems);
                }
            }
        }
        (self.errors == errors).then(|| joined.into_manifest())
    }

    /// The file itself, or the manifests below a directory in order of name.
    pub(super) fn files(&mut self, path: &Path) -> Vec<PathBuf> {
        if !path.is_dir() {
            return vec![path.to_owned()];
        }
        let mut files = Vec::new();
        for entry in walkdir::WalkDir::new(path).sort_by_file_name() {
            match entry {
                Ok(entry) if entry.file_type().is_file() && is_json(entry.path()) => {
                    files.push(entry.into_path());
                }
                Ok(_) => {}
                Err(error) => self.failed(path, "a directory that can be read", &error.into()),
            }
        }
        files
    }

    /// The releases of one file.
    pub(super) fn releases(&mut self, file: &Path) -> Vec<Release> {
        let text = match read_small_text(file, LARGEST) {
            Ok(text) => text,
            Err(error) => {
                self.failed(file, "a manifest", &error);
                return Vec::new();
            }
        };
        let (releases, problems) = match manifest::parse(&text) {
            Ok(document) => match manifest::is_ours(&document) {
                Ok(true) => {
                    let (manifest, problems) = manifest::read(&document);
                    (manifest.releases, problems)
                }
                Ok(false) => {
                    let stem = file.file_stem().and_then(|stem| stem.to_str());
                    let given = Given {
                        product: self.product.as_deref(),
                        version: self.version.as_deref(),
                        file_version: stem.and_then(|stem| Some(stem.rsplit_once("redistrib_")?.1)),
                    };
                    let (release, problems) = nvidia::read(&document, given, &self.tables);
                    (release.into_iter().collect(), problems)
                }
                Err(problem) => (Vec::new(), vec![problem]),
            },
            Err(problem) => (Vec::new(), vec![problem]),
        };
        self.report(file, problems);
        releases
    }

    fn failed(&mut self, file: &Path, expected: &str, error: &io::Error) {
        let help = "name a file that exists and can be read";
        let problem = ManifestProblem::error("", expected, elf_edit::reason(error), help);
        self.report(file, vec![problem]);
    }

    /// Prints problems and counts them.
    pub(super) fn report(&mut self, file: &Path, problems: Vec<ManifestProblem>) {
        for mut problem in problems {
            if self.strict {
                problem.severity = Severity::Error;
            }
            let word = match problem.severity {
                Severity::Error => {
                    self.errors += 1;
                    "error"
                }
                Severity::Warning => {
                    self.warnings += 1;
                    "warning"
                }
            };
            let file = shown(file).to_string();
            let mut err = io::stderr().lock();
            // A closed stderr doesn't change the result.
            let _ = if self.json {
                let problem = &problem;
                super::json_line(&mut err, &ProblemLine { file, problem })
            } else {
                writeln!(err, "{word}: {file}: {problem}")
                    .and_then(|()| writeln!(err, "  help: {}", problem.help))
            };
        }
    }
}

fn is_json(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension == "json")
}

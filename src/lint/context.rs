//! The context of a file, which decides which rules apply: a package for a Nix store, Python
//! wheels, the system's own directories.

use super::{Rule, Severity};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum Context {
    /// In a store, or built for one: all rules apply
    Nix,
    /// Python packages in a site-packages directory
    Wheels,
    /// Installed in /usr, /lib or /opt
    Linux,
}

/// Rules that require facts of NixOS, or report paths that are intended there.
const SILENT: [(Context, &[&str]); 2] = [
    // auditwheel writes DT_RPATH, as LD_LIBRARY_PATH must not take the place of bundled libraries.
    // CMake modules of wheels search the directories of ordinary systems, which have the wheel, too.
    (
        Context::Wheels,
        &[
            "driver_link_missing",
            "driver_link_unneeded",
            "rpath",
            "fhs_reference",
        ],
    ),
    (
        Context::Linux,
        &[
            "driver_link_missing",
            "driver_link_unneeded",
            "runpath_fhs",
            "fhs_reference",
        ],
    ),
];

/// Rules whose findings are notes outside of a store: a static runtime needs a driver link of its
/// own only where the loader's cache does not lead to the driver.
const NOTES: [&str; 1] = ["cudart_static"];

impl Context {
    /// The word that reports and `--context` use.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Context::Nix => "nix",
            Context::Wheels => "wheels",
            Context::Linux => "linux",
        }
    }

    /// Describes files of this context, for a message.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Context::Nix => "files of a package",
            Context::Wheels => "Python wheels (site-packages)",
            Context::Linux => "files of the system (/usr, /lib, /opt)",
        }
    }

    /// Modules of the rules that do not apply.
    pub(crate) fn silent(self) -> &'static [&'static str] {
        let mut all = SILENT.iter();
        all.find(|(context, _)| *context == self)
            .map_or(&[], |(_, rules)| rules)
    }

    /// Whether a rule applies.
    pub(super) fn applies(self, rule: &Rule) -> bool {
        !self.silent().contains(&rule.module)
    }

    /// The severity of a rule's findings, if the user gives it no other.
    pub(super) fn severity(self, rule: &Rule) -> Severity {
        match self != Context::Nix && NOTES.contains(&rule.module) {
            true => Severity::Note,
            false => rule.severity,
        }
    }
}

/// Determines the context of files.
#[derive(Clone, Debug, Default)]
pub(crate) struct Contexts {
    /// The user's choice for all files.
    given: Option<Context>,
    /// Directories of packages: one directory, by all its names.
    stores: Vec<PathBuf>,
    /// Directories with metadata of Python packages.
    sites: BTreeSet<PathBuf>,
}

impl Contexts {
    /// `metadata` are files of that, absolute.
    pub(super) fn new<'a>(
        given: Option<Context>,
        stores: &[PathBuf],
        metadata: impl Iterator<Item = &'a PathBuf>,
    ) -> Contexts {
        Contexts {
            given,
            stores: stores.to_vec(),
            sites: metadata.filter_map(|path| site_of(path)).collect(),
        }
    }

    /// Of an absolute path.
    pub(crate) fn of(&self, path: &Path) -> Context {
        let below = |directory: &str| path.starts_with(directory);
        let has = |name: &str| path.components().any(|c| c.as_os_str() == name);
        if let Some(given) = self.given {
            given
        } else if self.stores.iter().any(|store| path.starts_with(store)) {
            Context::Nix
        } else if has("site-packages")
            || has("dist-packages")
            || path.ancestors().any(|above| self.sites.contains(above))
        {
            Context::Wheels
        } else if ["/usr", "/opt", "/lib", "/lib64"].into_iter().any(below) {
            Context::Linux
        } else {
            Context::Nix
        }
    }
}

/// The directory of the package with this file of metadata: `X.dist-info/RECORD`.
pub(super) fn site_of(path: &Path) -> Option<PathBuf> {
    let metadata = path.parent()?;
    let name = metadata.file_name()?.as_encoded_bytes();
    let is_record = path.file_name()? == "RECORD" || path.file_name()? == "METADATA";
    (is_record && name.ends_with(b".dist-info")).then(|| metadata.parent().map(Path::to_owned))?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::RULES;

    #[test]
    fn a_path_says_the_context() {
        let files = ["/srv/w/torch-2.0.dist-info/METADATA".into()];
        let contexts = Contexts::new(None, &["/nix/store".into()], files.iter());
        for (path, expected) in [
            (
                "/nix/store/x/lib/python3.13/site-packages/a.so",
                Context::Nix,
            ),
            (
                "/home/u/.venv/lib/python3.13/site-packages/a.so",
                Context::Wheels,
            ),
            ("/usr/lib/python3/dist-packages/a.so", Context::Wheels),
            ("/srv/w/torch/lib/liba.so", Context::Wheels),
            ("/srv/other/liba.so", Context::Nix),
            ("/usr/lib/x86_64-linux-gnu/liba.so", Context::Linux),
            ("/opt/vendor/liba.so", Context::Linux),
            ("/usrlocal/liba.so", Context::Nix),
        ] {
            assert_eq!(contexts.of(Path::new(path)), expected, "{path}");
        }
        let given = Contexts::new(Some(Context::Linux), &[], files.iter());
        assert_eq!(given.of(Path::new("/x/a.so")), Context::Linux);
    }

    #[test]
    fn rules_of_contexts_are_there() {
        let silent = SILENT.iter().flat_map(|(_, rules)| rules.iter());
        for module in silent.chain(&NOTES) {
            assert!(RULES.iter().any(|rule| rule.module == *module), "{module}");
        }
    }
}

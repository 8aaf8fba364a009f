//! The user's policy, as plain data.

use clap::ValueEnum;
use elf_edit::Edit;

/// Whether dependencies are looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Dependencies {
    /// Each NEEDED gets the directory that has it
    #[default]
    Find,
    /// Only in --lib: other libraries are neither searched for nor missing
    Provided,
    /// No entry is added for them
    Off,
}

/// Treatment of the RUNPATH that a file has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Existing {
    /// Stays behind new entries, without those that are empty, relative, there twice, or a build
    /// directory that does not exist
    Tidy,
    /// Stays behind new entries as it is, without empty entries: for hooks
    #[default]
    Keep,
    /// Goes when a new entry is found, given or appended, as with auto-patchelf;
    /// `.note.dlopen` entries count as dependencies
    Replace,
}

/// Treatment of a DT_RPATH through which the file's libraries find their dependencies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum InheritedRpath {
    /// It stays a DT_RPATH
    #[default]
    Keep,
    /// Convert it to a DT_RUNPATH, as patchelf does: a warning names the library that is lost
    Convert,
}

/// The files that get the driver link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Driver {
    /// Every dynamic ELF file
    #[default]
    All,
    /// Those that load the driver themselves
    Needed,
    /// None
    Off,
}

/// Treatment of libraries that a file may dlopen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Dlopen {
    /// The directory of each one that is found becomes an entry
    Auto,
    /// They are listed by --dry-run, --json and -v
    #[default]
    Report,
    /// They aren't looked for
    Off,
}

/// Treatment of entries that are a stub directory of CUDA.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Stubs {
    /// Replace them by the driver link, as a stub fails at run time
    #[default]
    Replace,
    /// They stay
    Keep,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Policy {
    /// PT_INTERP of executables.
    pub interpreter: Option<Vec<u8>>,
    /// Whether dependencies are looked for at all.
    pub dependencies: Dependencies,
    /// Treatment of the existing RUNPATH.
    pub existing: Existing,
    /// Libraries that the file may dlopen.
    pub dlopen: Dlopen,
    /// The files that get the driver link.
    pub driver: Driver,
    /// The driver link, where it isn't that of the file's machine.
    pub driver_link: Option<Vec<u8>>,
    /// A directory that comes before the driver link (Jetson's cuda_compat).
    pub compat: Option<Vec<u8>>,
    pub stubs: Stubs,
    /// First entries of an executable.
    pub runtime_dependencies: Vec<Vec<u8>>,
    /// Last entries of any file.
    pub append: Vec<Vec<u8>>,
    /// Existing entries at or under the first become the second: leaks of a build.
    pub replace: Vec<(Vec<u8>, Vec<u8>)>,
    /// Existing entries that provide nothing that is needed go away.
    pub shrink: bool,
    /// Searches the index before the libc's directory, which may become an entry.
    pub keep_libc: bool,
    /// Globs of names that may be missing.
    pub ignore_missing: Vec<Vec<u8>>,
    /// DT_RPATH rather than DT_RUNPATH.
    pub force_rpath: bool,
    pub inherited_rpath: InheritedRpath,
    /// With `Existing::Replace`: `$ORIGIN` entries stay, and one replaces the equal absolute
    /// directory.
    pub preserve_origin: bool,
    /// With `Existing::Replace`: a driver link that is there stays, in front.
    pub keep_driver_link: bool,
    /// Roots under which entries become relative to `$ORIGIN`, for files under the same root.
    pub relative_roots: Vec<Vec<u8>>,
    /// An executable stack goes away.
    pub clear_stack: bool,
    /// Further edits of each file that is edited at all.
    pub extra: Vec<Edit>,
}

impl Policy {
    /// Whether a NEEDED is looked for.
    pub(crate) fn finds_dependencies(&self) -> bool {
        self.dependencies != Dependencies::Off
    }

    /// Whether only the given directories count: a dependency outside of them is not reported and
    /// not missing.
    pub(crate) fn provided_only(&self) -> bool {
        self.dependencies == Dependencies::Provided
    }

    /// Whether `shrink` uses the resolution of each dependency, rather than patchelf's rule.
    pub(super) fn shrinks_by_use(&self) -> bool {
        self.shrink && self.existing == Existing::Tidy && self.dependencies == Dependencies::Find
    }

    /// Whether a rule needs a scan of the read-only data. `reported`: the report includes libraries
    /// that the file may dlopen.
    pub(crate) fn needs_contents(&self, reported: bool) -> bool {
        let candidates = match self.dlopen {
            Dlopen::Auto => true,
            Dlopen::Report => reported,
            Dlopen::Off => false,
        };
        let dependencies = self.finds_dependencies() && candidates;
        self.driver == Driver::Needed || dependencies || self.shrinks_by_use()
    }
}

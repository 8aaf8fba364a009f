//! What the user asked for, as plain data.

use clap::ValueEnum;
use elf_edit::Edit;

/// Whether dependencies are looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Dependencies {
    /// Each NEEDED gets the directory that has it
    #[default]
    Find,
    /// Only in --lib: what they don't have is neither looked for nor missing
    Provided,
    /// No entry is added for them
    Off,
}

/// What happens to the RUNPATH that a file has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Existing {
    /// Stays behind new entries, without those that are empty, relative or there twice
    Tidy,
    /// Stays behind new entries as it is, without empty entries: for hooks
    #[default]
    Keep,
    /// Goes when a new entry is found, given or appended, as with auto-patchelf;
    /// `.note.dlopen` entries count as dependencies
    Replace,
}

/// What becomes of a DT_RPATH through which the file's libraries find what they need.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum InheritedRpath {
    /// It stays a DT_RPATH
    #[default]
    Keep,
    /// It becomes a DT_RUNPATH, as with patchelf: a warning names what is lost
    Convert,
}

/// Which files get the driver link.
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

/// What happens for libraries that a file may dlopen.
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

/// What happens to entries that are a stub directory of CUDA.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Stubs {
    /// The driver link takes their place: a stub that is found at run time is a failure
    #[default]
    Replace,
    /// They stay
    Keep,
}

/// What the user asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Policy {
    /// PT_INTERP of executables.
    pub interpreter: Option<Vec<u8>>,
    /// Whether dependencies are looked for at all.
    pub dependencies: Dependencies,
    /// What becomes of the RUNPATH that is there.
    pub existing: Existing,
    /// Libraries that the file may dlopen.
    pub dlopen: Dlopen,
    /// Which files get the driver link.
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
    /// The index comes before the libc's directory, which may become an entry.
    pub keep_libc: bool,
    /// Globs of names that may be missing.
    pub ignore_missing: Vec<Vec<u8>>,
    /// DT_RPATH rather than DT_RUNPATH.
    pub force_rpath: bool,
    pub inherited_rpath: InheritedRpath,
    /// With `Existing::Replace`: `$ORIGIN` entries stay, and one takes the place of the absolute
    /// directory that it means.
    pub preserve_origin: bool,
    /// With `Existing::Replace`: a driver link that is there stays, in front.
    pub keep_driver_link: bool,
    /// Roots under which entries become relative to `$ORIGIN`, for files under the same one.
    pub relative_roots: Vec<Vec<u8>>,
    /// Further edits of each file that is edited at all.
    pub extra: Vec<Edit>,
}

impl Policy {
    /// Whether a NEEDED is looked for.
    pub(crate) fn finds_dependencies(&self) -> bool {
        self.dependencies != Dependencies::Off
    }

    /// Whether only the given directories count: a dependency that they don't have is left out of
    /// the report, and is not missing.
    pub(crate) fn provided_only(&self) -> bool {
        self.dependencies == Dependencies::Provided
    }

    /// Whether `shrink` goes by what became of each dependency, rather than by patchelf's rule.
    pub(super) fn shrinks_by_use(&self) -> bool {
        self.shrink && self.existing == Existing::Tidy && self.dependencies == Dependencies::Find
    }

    /// Whether a rule needs to know what a file's read-only data says; `told` where somebody reads
    /// of what it may dlopen.
    pub(crate) fn needs_contents(&self, told: bool) -> bool {
        let candidates = match self.dlopen {
            Dlopen::Auto => true,
            Dlopen::Report => told,
            Dlopen::Off => false,
        };
        let dependencies = self.finds_dependencies() && candidates;
        self.driver == Driver::Needed || dependencies || self.shrinks_by_use()
    }
}

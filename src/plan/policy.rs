//! What the user asked for, as plain data.

use elf_edit::Edit;

/// What becomes of the RUNPATH that a file has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Existing {
    /// It stays, behind what is found.
    #[default]
    Keep,
    /// auto-patchelf's way: a list that isn't empty replaces it. `.note.dlopen` entries count as
    /// dependencies then.
    Replace,
}

/// Which files get the driver link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Driver {
    /// All that the loader reads a RUNPATH of.
    #[default]
    All,
    /// Those that load the driver themselves.
    Needed,
    /// None.
    Off,
}

/// What becomes of libraries that a file may dlopen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dlopen {
    /// One that is found gets its directory into the RUNPATH.
    Auto,
    /// They are told.
    #[default]
    Report,
    /// They aren't looked for.
    Off,
}

/// What becomes of entries that are a stub directory of CUDA.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stubs {
    /// The driver link takes their place: a stub that is found at run time is a failure.
    #[default]
    Replace,
    /// They stay.
    Keep,
}

/// What the user asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// PT_INTERP of executables.
    pub interpreter: Option<Vec<u8>>,
    /// Whether dependencies are looked for at all.
    pub dependencies: bool,
    /// Only what the given directories provide counts: everything else a file needs is left out of
    /// the report, and nothing is missing.
    pub provided_only: bool,
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
    /// Stub directories.
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

impl Default for Policy {
    fn default() -> Policy {
        Policy {
            interpreter: None,
            dependencies: true,
            provided_only: false,
            existing: Existing::default(),
            dlopen: Dlopen::default(),
            driver: Driver::default(),
            driver_link: None,
            compat: None,
            stubs: Stubs::default(),
            runtime_dependencies: Vec::new(),
            append: Vec::new(),
            replace: Vec::new(),
            shrink: false,
            keep_libc: false,
            ignore_missing: Vec::new(),
            force_rpath: false,
            preserve_origin: false,
            keep_driver_link: false,
            relative_roots: Vec::new(),
            extra: Vec::new(),
        }
    }
}

impl Policy {
    /// Whether a rule needs to know what a file's read-only data says; `told` where somebody reads
    /// of what it may dlopen.
    pub fn needs_contents(&self, told: bool) -> bool {
        let candidates = match self.dlopen {
            Dlopen::Auto => true,
            Dlopen::Report => told,
            Dlopen::Off => false,
        };
        self.driver == Driver::Needed || (self.dependencies && candidates)
    }
}

//! What a loader can read instead of searching: NixOS' resolution cache, and absolute names.

pub(crate) mod absolute;
pub(crate) mod directories;
pub(crate) mod note;

use clap::ValueEnum;

/// What files get so that the loader need not search.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// Nothing; an edit that makes a resolution cache stale removes it
    #[default]
    Off,
    /// The resolution cache of NixOS, as `patchelf --build-resolution-cache` writes it
    Note,
    /// Absolute paths for the names of needed libraries, where every loader then loads the same files
    Absolute,
}

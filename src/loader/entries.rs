//! The elements of a RUNPATH or RPATH, and the libraries that each provides.

use super::closure::Closure;
use super::interpreter::Rules;
use super::search_log::Step;
use super::{Candidate, musl, tokens};
use crate::cuda::driver;

/// One element of a RUNPATH or RPATH.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchEntry {
    /// The text in the file.
    pub text: Vec<u8>,
    /// The directory that the loader searches; `None` where it drops the element.
    pub directory: Option<Vec<u8>>,
    /// Names of DT_NEEDED that are found through it: the file's own, and with an RPATH those of
    /// the libraries below it.
    pub provides: Vec<Vec<u8>>,
    /// Names of dlopen candidates that would be found through it.
    pub provides_dlopen: Vec<Vec<u8>>,
    /// Remarks about it.
    pub marks: Vec<Mark>,
}

/// Something to know about an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// The whole RPATH counts for nothing, the file has a RUNPATH.
    Ignored,
    Missing,
    /// Another element before it is the same directory.
    Duplicate,
    /// An empty element: the current directory of the calling process.
    Empty,
    /// Relative to the current directory of the calling process.
    Relative,
    /// A `stubs` directory of a CUDA toolkit: for the linker, never for the loader.
    Stubs,
    /// A directory that only the machine has where the file was built.
    BuildDirectory,
    /// Nothing that the file needs is found through it.
    ProvidesNothing,
}

impl Mark {
    /// The words for reports; with `-` for spaces, the word of `--json`.
    pub fn as_str(self) -> &'static str {
        match self {
            Mark::Ignored => "ignored",
            Mark::Missing => "no such directory",
            Mark::Duplicate => "duplicate",
            Mark::Empty => "empty",
            Mark::Relative => "relative",
            Mark::Stubs => "stubs",
            Mark::BuildDirectory => "build directory",
            Mark::ProvidesNothing => "provides nothing",
        }
    }
}

/// Directories in which software is built, with the source of that fact.
const BUILD_DIRECTORIES: [(&str, &str); 27] = [
    (
        "/build/",
        "Nix, the sandbox's build directory; Debian's sbuild",
    ),
    (
        "/nix/var/nix/builds/",
        "Nix since 2.30, the option build-dir",
    ),
    ("/tmp/", "Nix without a sandbox; pip"),
    ("/var/tmp/", "rpmbuild's default _tmppath"),
    ("/private/tmp/", "macOS, where /tmp is a link to it"),
    ("/dev/shm/", "Bazel's sandbox in memory"),
    ("/root/", "seen in published wheels"),
    ("/home/", "seen in published wheels"),
    ("/Users/", "macOS, homes; cross builds"),
    (
        "/project/",
        "cibuildwheel, the project in its container; seen in published wheels",
    ),
    (
        "/io/",
        "the manylinux demo's mount of the project; seen in published wheels",
    ),
    (
        "/src/build/",
        "common build directory of Dockerfiles; issue reports of wheels",
    ),
    ("/builddir/", "Fedora's mock"),
    (
        "/workspace/",
        "Google Cloud Build, Jenkins' and Kaniko's default",
    ),
    ("/__w/", "GitHub Actions, the workspace in a container job"),
    (
        "/github/workspace/",
        "GitHub Actions, the workspace in a container action",
    ),
    ("/builds/", "GitLab Runner, builds_dir of its containers"),
    (
        "/opt/atlassian/pipelines/agent/build/",
        "Bitbucket Pipelines, BITBUCKET_CLONE_DIR",
    ),
    ("/codebuild/output/", "AWS CodeBuild, CODEBUILD_SRC_DIR"),
    ("/drone/src/", "Drone, DRONE_WORKSPACE"),
    ("/azp/", "Azure Pipelines, the agent in a container"),
    (
        "/var/lib/jenkins/",
        "Jenkins' packages, JENKINS_HOME; PyTorch's CI",
    ),
    (
        "/var/lib/buildkite-agent/builds/",
        "Buildkite's packages, build-path",
    ),
    ("/pytorch/build/", "PyTorch's builder of wheels"),
    (
        "/opt/_internal/",
        "manylinux, the interpreters of its images",
    ),
    ("/croot/", "conda-build, croot of Anaconda's own builders"),
    ("/feedstock_root/", "conda-forge's build containers"),
];
/// Names of directories in which software is built, wherever they are.
const BUILD_COMPONENTS: [(&str, &str); 5] = [
    ("conda-bld", "conda-build, its croot"),
    ("bazel-out", "Bazel, outputs"),
    ("_skbuild", "scikit-build"),
    ("execroot", "Bazel, the tree in which actions run"),
    ("CMakeFiles", "CMake, objects of targets"),
];
/// Beginnings of such names.
const BUILD_PREFIXES: [(&str, &str); 5] = [
    ("pip-install-", "pip, unpacked sources"),
    ("pip-build-env-", "pip, the isolated environment of a build"),
    ("temp.linux-", "setuptools, objects"),
    ("lib.linux-", "setuptools, the library before installation"),
    ("cmake-build-", "CLion"),
];
/// conda-build pads the prefix that it replaces at installation with this.
const CONDA_PLACEHOLDER: &[u8] = b"_placehold_placehold";

/// The elements of an object's RUNPATH or RPATH.
pub(super) fn entries(
    c: &Closure,
    of: usize,
    runpath: bool,
    dlopen: &[Candidate],
) -> Vec<SearchEntry> {
    let Some(library) = c.library(of) else {
        return Vec::new();
    };
    let (text, step) = match runpath {
        true => (&library.runpath, Step::Runpath(of)),
        false => (&library.rpath, Step::Rpath(of)),
    };
    let Some(text) = text.as_deref().filter(|text| !text.is_empty()) else {
        return Vec::new();
    };
    let ignored = !runpath && library.runpath.is_some();
    let musl = c.system.rules == Rules::Musl;
    let origin = match text.contains(&b'$') {
        true => c.origin(of),
        false => Vec::new(),
    };
    let mut entries: Vec<SearchEntry> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for element in text.split(|&b| b == b':' || (musl && b == b'\n')) {
        let directory = match musl {
            true => musl::directory(element, (!c.distrusts(of)).then_some(&origin)),
            false => tokens::directory(element, &c.system.tokens(&origin, c.trust(of))),
        };
        let mut marks = Vec::new();
        marks.extend(ignored.then_some(Mark::Ignored));
        if element.is_empty() {
            marks.push(Mark::Empty);
        } else if let Some(dir) = &directory {
            marks.extend((!dir.starts_with(b"/")).then_some(Mark::Relative));
            marks.extend((!c.files.sysroot.is_dir(dir)).then_some(Mark::Missing));
        }
        if let Some(dir) = &directory {
            marks.extend((!seen.insert(dir.clone())).then_some(Mark::Duplicate));
        }
        let is_stubs = driver::is_stubs(directory.as_deref().unwrap_or(element));
        marks.extend(is_stubs.then_some(Mark::Stubs));
        marks.extend(is_build_directory(element).then_some(Mark::BuildDirectory));
        entries.push(SearchEntry {
            text: element.to_vec(),
            directory,
            provides: Vec::new(),
            provides_dlopen: Vec::new(),
            marks,
        });
    }
    fill(c, of, step, dlopen, &mut entries);
    entries
}

/// Adds to each entry the libraries found through it.
fn fill(c: &Closure, of: usize, step: Step, dlopen: &[Candidate], entries: &mut [SearchEntry]) {
    for need in c.objects.iter().flat_map(|o| &o.needs) {
        if let Some(via) = need.via.filter(|via| via.step == step)
            && let Some(entry) = via.element.and_then(|e| entries.get_mut(e))
            && !entry.provides.contains(&need.name)
        {
            entry.provides.push(need.name.clone());
        }
    }
    // A name that is a path names the directory as well: other loaders, and a return to bare names,
    // need the entry.
    for name in c.library(of).iter().flat_map(|library| &library.needed) {
        let directory = |entry: &&mut SearchEntry| {
            let directory = entry.directory.as_ref()?;
            let rest = name.strip_prefix(directory.as_slice())?;
            Some(!rest.is_empty() && !rest.contains(&b'/') && name.starts_with(b"/"))
        };
        let mut all = entries.iter_mut();
        if let Some(entry) = all.find(|entry| directory(entry) == Some(true))
            && !entry.provides.contains(name)
        {
            entry.provides.push(name.clone());
        }
    }
    for candidate in dlopen {
        if let Some(found) = candidate.found.as_ref().filter(|f| f.via.step == step)
            && let Some(entry) = found.via.element.and_then(|e| entries.get_mut(e))
        {
            entry.provides_dlopen.push(found.name.clone());
        }
    }
    for entry in entries {
        if entry.provides.is_empty() && entry.provides_dlopen.is_empty() {
            entry.marks.push(Mark::ProvidesNothing);
        }
    }
}

fn is_build_directory(element: &[u8]) -> bool {
    let in_directory = |dir: &str| {
        // The directory itself is one, too.
        let rest = element.strip_prefix(dir.trim_end_matches('/').as_bytes());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
    };
    let is_name_of_one = |name: &[u8]| {
        let of_name = |row: &(&str, &str)| row.0.as_bytes() == name;
        let of_prefix = |row: &(&str, &str)| name.starts_with(row.0.as_bytes());
        BUILD_COMPONENTS.iter().any(of_name) || BUILD_PREFIXES.iter().any(of_prefix)
    };
    let is_absolute = element.starts_with(b"/");
    BUILD_DIRECTORIES.iter().any(|(dir, _)| in_directory(dir))
        || (is_absolute && element.split(|&byte| byte == b'/').any(is_name_of_one))
        || memchr::memmem::find(element, CONDA_PLACEHOLDER).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_of_builds_are_known_and_their_like_are_not() {
        for built in [
            "/build/source/lib",
            "/build",
            "/nix/var/nix/builds/nix-42/lib",
            "/io/build/lib",
            "/src/build/lib",
            "/github/workspace/lib",
            "/opt/conda/conda-bld/x_1700000000000/_h_env/lib",
            "/home/u/_h_env_placehold_placehold_placehold/lib",
            "/builds/group/project/build/lib",
            "/croot/nccl_1700000000000/build/lib",
            "/srv/miniconda3/conda-bld/x_1/_h_env/lib",
            "/srv/cache/_bazel_u/0/execroot/_main/bazel-out/k8-opt/bin",
            "/srv/x/build/lib.linux-x86_64-cpython-312/x",
            "/scratch/pip-build-env-abc123/overlay/lib",
            "/var/lib/jenkins/workspace/build/lib",
            "/pytorch/build/lib",
            "/opt/_internal/cpython-3.12.0/lib",
        ] {
            assert!(is_build_directory(built.as_bytes()), "{built}");
        }
        for other in [
            "/builders/lib",
            "/pytorch/lib",
            "/var/lib/x/lib",
            "$ORIGIN/execroot",
            "/iodine/lib",
            "/src/lib",
            "/opt/conda/lib",
            "/nix/store/x/lib",
        ] {
            assert!(!is_build_directory(other.as_bytes()), "{other}");
        }
        assert!(
            BUILD_DIRECTORIES
                .iter()
                .all(|(dir, source)| dir.ends_with('/') && !source.is_empty())
        );
        let names = BUILD_COMPONENTS.iter().chain(&BUILD_PREFIXES);
        assert!(
            names
                .into_iter()
                .all(|(name, source)| !name.contains('/') && !source.is_empty())
        );
    }
}

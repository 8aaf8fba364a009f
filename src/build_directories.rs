//! Directories in which software is built, by their names. In a RUNPATH they lead nowhere on other
//! machines, or where someone else may put a library.

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
const BUILD_COMPONENTS: [(&str, &str); 6] = [
    ("tmp", "temporary files; /data/tmp seen in published wheels"),
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

/// Whether an entry is a directory in which software is built, by its name.
pub(crate) fn is_build_directory(element: &[u8]) -> bool {
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
            "/data/tmp/openmpi_install/lib",
        ] {
            assert!(is_build_directory(built.as_bytes()), "{built}");
        }
        for other in [
            "/builders/lib",
            "/pytorch/lib",
            "/var/lib/x/lib",
            "$ORIGIN/execroot",
            "/iodine/lib",
            "/data/tmpfs/lib",
            "$ORIGIN/../tmp",
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

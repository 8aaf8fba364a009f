//! What wheels say of themselves: which distribution each file is of, and which they pin.

use crate::scan::read_small;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Largest METADATA or RECORD that is read, in bytes.
const LARGEST: u64 = 32 << 20;

/// NVIDIA's distributions, without `-cu12`, and the stems of their libraries.
const DISTRIBUTIONS: [(&str, &[&str]); 24] = [
    ("nvidia-cublas", &["libcublas", "libcublasLt", "libnvblas"]),
    ("nvidia-cublasmp", &["libcublasmp"]),
    ("nvidia-cuda-cupti", &["libcupti"]),
    ("nvidia-cuda-nvrtc", &["libnvrtc", "libnvrtc-builtins"]),
    ("nvidia-cuda-runtime", &["libcudart"]),
    ("nvidia-cudnn", &["libcudnn"]),
    ("nvidia-cudss", &["libcudss"]),
    ("nvidia-cufft", &["libcufft", "libcufftw"]),
    ("nvidia-cufile", &["libcufile"]),
    ("nvidia-curand", &["libcurand"]),
    ("nvidia-cusolver", &["libcusolver", "libcusolverMg"]),
    ("nvidia-cusolvermp", &["libcusolverMp"]),
    ("nvidia-cusparse", &["libcusparse"]),
    ("nvidia-cusparselt", &["libcusparseLt"]),
    ("nvidia-libnvcomp", &["libnvcomp"]),
    ("nvidia-nccl", &["libnccl"]),
    (
        "nvidia-npp",
        &["libnppc", "libnppial", "libnppicc", "libnppig"],
    ),
    ("nvidia-nvimgcodec", &["libnvimgcodec"]),
    ("nvidia-nvjitlink", &["libnvJitLink"]),
    ("nvidia-nvjpeg", &["libnvjpeg"]),
    ("nvidia-nvjpeg2k", &["libnvjpeg2k"]),
    ("nvidia-nvshmem", &["libnvshmem_host"]),
    ("nvidia-nvtiff", &["libnvtiff"]),
    ("nvidia-nvtx", &["libnvToolsExt"]),
];

/// The metadata of all distributions below some directories.
#[derive(Debug, Default)]
pub(super) struct Distributions {
    /// Path of a file -> name and version of its distribution.
    files: BTreeMap<PathBuf, (String, String)>,
    /// Name of a distribution without `-cu12` -> the pinned version, and who pins it.
    pins: BTreeMap<String, (String, String)>,
}

impl Distributions {
    /// From the directories `*.dist-info` in each of the directories. What can't be read is as if
    /// it were not there: versions are then unknown, and reported so.
    pub(super) fn read(directories: &[PathBuf]) -> Distributions {
        let mut all = Distributions::default();
        for site in directories {
            let entries = fs::read_dir(site).into_iter().flatten().flatten();
            let mut infos: Vec<PathBuf> = entries
                .map(|entry| entry.path())
                .filter(|path| path.extension().is_some_and(|e| e == "dist-info"))
                .collect();
            infos.sort();
            for info in infos {
                all.add(site, &info);
            }
        }
        all
    }

    fn add(&mut self, site: &Path, info: &Path) {
        let metadata = read(&info.join("METADATA")).unwrap_or_default();
        let headers = || metadata.lines().take_while(|line| !line.is_empty());
        let field = |name: &str| {
            let value = headers().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            value.unwrap_or_default().trim().to_owned()
        };
        let (name, version) = (field("Name"), field("Version"));
        for line in headers() {
            if let Some(requirement) = line.strip_prefix("Requires-Dist: ")
                && let Some((required, pinned)) = pin(requirement)
            {
                let by = format!("the metadata of {name} {version}");
                self.pins.entry(required).or_insert((pinned, by));
            }
        }
        for line in read(&info.join("RECORD")).unwrap_or_default().lines() {
            let path = line.split(',').next().unwrap_or_default();
            if path.contains(".so") {
                let of = (name.clone(), version.clone());
                self.files.insert(site.join(path), of);
            }
        }
    }

    /// The version of the distribution that a file is of, if it is one of NVIDIA's: others copy
    /// libraries of any version.
    pub(super) fn of_file(&self, path: &Path) -> Option<(String, String)> {
        let (name, version) = self.files.get(path)?;
        let known = normalized(name);
        let is_known = DISTRIBUTIONS.iter().any(|(own, _)| *own == known);
        is_known.then(|| (version.clone(), format!("the distribution {name}")))
    }

    /// The version that a distribution pins of the one that has a library.
    pub(super) fn pin_of(&self, stem: &[u8]) -> Option<(String, String)> {
        let has = |libraries: &&[&str]| libraries.iter().any(|own| own.as_bytes() == stem);
        let (name, _) = DISTRIBUTIONS.iter().find(|(_, libraries)| has(libraries))?;
        self.pins.get(*name).cloned()
    }
}

fn read(path: &Path) -> io::Result<String> {
    let text = read_small(path, LARGEST)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// Name and version of `nvidia-cudnn-cu13==9.26.0.51; platform_system == "Linux"`.
fn pin(requirement: &str) -> Option<(String, String)> {
    let requirement = requirement.split(';').next()?;
    let (name, version) = requirement.split_once("==")?;
    let name = name.trim_end().trim_end_matches('(').trim_end();
    let version = version.trim().trim_end_matches(')');
    let exact = version.bytes().all(|b| b.is_ascii_digit() || b == b'.') && !version.is_empty();
    exact.then(|| (normalized(name), version.to_owned()))
}

/// `nvidia-cudnn` of `nvidia_cudnn_cu13`.
fn normalized(name: &str) -> String {
    let name = name.to_ascii_lowercase().replace(['_', '.'], "-");
    let without = name
        .rsplit_once("-cu")
        .filter(|(_, digits)| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()));
    without.map_or(name.clone(), |(name, _)| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pins_are_exact_versions() {
        for (requirement, expected) in [
            (
                "nvidia-cudnn-cu13==9.26.0.51; platform_system == \"Linux\"",
                Some(("nvidia-cudnn", "9.26.0.51")),
            ),
            (
                "nvidia_nccl_cu12 (==2.27.3)",
                Some(("nvidia-nccl", "2.27.3")),
            ),
            ("nvidia-cublas", None),
            ("nvidia-cublas==13.*", None),
            ("cuda-bindings<14,>=13.0.3; python_version == \"3\"", None),
        ] {
            let expected = expected.map(|(name, version)| (name.into(), version.into()));
            assert_eq!(pin(requirement), expected, "{requirement}");
        }
        assert_eq!(normalized("nvidia-custom"), "nvidia-custom");
    }
}

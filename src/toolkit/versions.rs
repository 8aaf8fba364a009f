//! The CUDA version of a prefix, from nvcc, Nix's marker, version.json or cuda.h.

use super::{FarmError, component};
use crate::cuda::CudaVersion;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Both files have it near their beginning.
const WINDOW: u64 = 1 << 20;

/// The version in the prefix's own files, and the file with it.
pub(super) fn of_prefix(prefix: &Path) -> Result<Option<(CudaVersion, PathBuf)>, FarmError> {
    for (place, find) in [
        (
            component::PLACE,
            component::cuda_version as fn(&str) -> Option<CudaVersion>,
        ),
        (
            "version.json",
            in_version_json as fn(&str) -> Option<CudaVersion>,
        ),
        ("include/cuda.h", in_cuda_h),
    ] {
        let path = prefix.join(place);
        let text = match read_start(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            Err(e) => return Err(FarmError::io(&path, e)),
        };
        if let Some(version) = find(&text) {
            return Ok(Some((version, path)));
        }
    }
    Ok(None)
}

/// NVIDIA's nvcc, run for its version when the farm is made, so that no compilation has to.
pub(super) struct Nvcc {
    pub file: PathBuf,
    pub cuda: CudaVersion,
    /// Its full version, such as `13.5.37`.
    pub version: Option<String>,
}

impl Nvcc {
    pub(super) fn ask(file: PathBuf) -> Result<Nvcc, FarmError> {
        let output = Command::new(&file)
            .arg("--version")
            .output()
            .map_err(|e| FarmError::io(&file, e))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let after = |word| text.split_once(word)?.1.split([',', '\n']).next();
        let Some(cuda) = after("release ").and_then(|version| version.parse().ok()) else {
            return Err(FarmError::prefix(
                &file,
                format!(
                    "`nvcc --version` names no release ({}): does this nvcc run on this machine?",
                    output.status
                ),
            ));
        };
        let version = after(", V").map(str::to_owned);
        Ok(Nvcc {
            file,
            cuda,
            version,
        })
    }
}

/// version.json, as the installer writes it, with the known versions.
pub(super) fn version_json(cuda: CudaVersion, nvcc: Option<&str>) -> String {
    let mut json = serde_json::json!({
        "cuda": { "name": "CUDA SDK", "version": format!("{cuda}.0") }
    });
    if let Some(nvcc) = nvcc {
        json["cuda_nvcc"] = serde_json::json!({ "name": "CUDA NVCC", "version": nvcc });
    }
    format!("{json}\n")
}

/// The first megabyte of a text file.
pub(super) fn read_start(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?.take(WINDOW).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn in_version_json(text: &str) -> Option<CudaVersion> {
    let json: serde_json::Value = serde_json::from_str(text).ok()?;
    json.get("cuda")?.get("version")?.as_str()?.parse().ok()
}

fn in_cuda_h(text: &str) -> Option<CudaVersion> {
    let number = text.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        let define = words.next() == Some("#define") && words.next() == Some("CUDA_VERSION");
        define.then(|| words.next()?.parse().ok())?
    });
    number.map(CudaVersion::from_number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_files_are_understood() {
        let version = |text: &str| text.parse().ok();
        let json = r#"{"cuda":{"name":"CUDA SDK","version":"12.4.1"},"libcufft":{}}"#;
        assert_eq!(in_version_json(json), version("12.4"));
        assert_eq!(in_version_json("[]"), None);
        let header = "/** \\def CUDA_VERSION */\n#define CUDA_VERSION 13050\n";
        assert_eq!(in_cuda_h(header), version("13.5"));
        assert_eq!(in_cuda_h("#define CUDA_VERSION_X 1\n"), None);
    }
}

//! Which CUDA version a prefix is of: what nvcc says, Nix's marker, version.json, cuda.h.

use super::{FarmError, component};
use crate::cuda::CudaVersion;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Both files say it near their beginning.
const WINDOW: u64 = 1 << 20;

/// What the prefix's own files say, and which file does.
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

/// Asks nvcc. The farm has its answer on record, so that no compilation asks again.
pub(super) fn of_nvcc(nvcc: &Path) -> Result<CudaVersion, FarmError> {
    let output = Command::new(nvcc)
        .arg("--version")
        .output()
        .map_err(|e| FarmError::io(nvcc, e))?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.split_once("release ")
        .and_then(|(_, rest)| rest.split([',', '\n']).next()?.parse().ok())
        .ok_or_else(|| {
            FarmError::prefix(
                nvcc,
                format!(
                    "`nvcc --version` names no release ({}): does this nvcc run on this machine?",
                    output.status
                ),
            )
        })
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

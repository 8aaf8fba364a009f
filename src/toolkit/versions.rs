//! The CUDA version of a prefix, from nvcc, Nix's marker, version.json or cuda.h.

use super::{FarmError, component};
use crate::cuda::CudaVersion;
use crate::rodata;
use elf_edit::windows::{Window, windows};
use elf_edit::{ElfInfo, FileReader};
use memchr::memmem;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The files have it near their beginning: bytes that are read first, and at most.
const WINDOWS: [u64; 2] = [1 << 15, MAX_BYTES];
pub(super) const MAX_BYTES: u64 = 1 << 20;

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
        for window in WINDOWS {
            let mut text = match read_start(&path, window) {
                Ok(text) => text,
                Err(e) if e.kind() == io::ErrorKind::NotFound => break,
                Err(e) => return Err(FarmError::io(&path, e)),
            };
            let whole = (text.len() as u64) < window;
            if !whole {
                // Not half of a number.
                text.truncate(text.rfind('\n').unwrap_or(0));
            }
            if let Some(version) = find(&text) {
                return Ok(Some((version, path)));
            }
            if whole {
                break;
            }
        }
    }
    Ok(None)
}

/// Bytes of nvcc's text, at most.
const MAX_RELEASE: usize = 128;
/// What nvcc prints before its version, and has among its strings.
const RELEASE: &[u8] = b"Cuda compilation tools, release ";

/// NVIDIA's nvcc, asked for its version when the farm is made, so that no compilation has to.
pub(super) struct Nvcc {
    pub file: PathBuf,
    pub cuda: CudaVersion,
    /// Its full version, such as `13.5.37`.
    pub version: Option<String>,
}

impl Nvcc {
    pub(super) fn ask(file: PathBuf) -> Result<Nvcc, FarmError> {
        // A tenth of the time that it takes to run.
        if let Some(text) = release_in(&file)
            && let Some((cuda, version)) = release(&text)
        {
            return Ok(Nvcc {
                file,
                cuda,
                version,
            });
        }
        let output = Command::new(&file)
            .arg("--version")
            .output()
            .map_err(|e| FarmError::io(&file, e))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let Some((cuda, version)) = release(&text) else {
            return Err(FarmError::prefix(
                &file,
                format!(
                    "`nvcc --version` names no release ({}): does this nvcc run on this machine?",
                    output.status
                ),
            ));
        };
        Ok(Nvcc {
            file,
            cuda,
            version,
        })
    }
}

/// The release and the full version in nvcc's text: `release 13.5, V13.5.37`.
fn release(text: &str) -> Option<(CudaVersion, Option<String>)> {
    let after = |word| text.split_once(word)?.1.split([',', '\n']).next();
    let cuda = after("release ")?.parse().ok()?;
    Some((cuda, after(", V").map(str::to_owned)))
}

/// nvcc's text, from its read-only data; `None` unless it is there once.
fn release_in(nvcc: &Path) -> Option<String> {
    let file = FileReader::new(File::open(nvcc).ok()?).ok()?;
    let info = ElfInfo::read(&file).ok()?;
    let mut found = BTreeMap::new();
    for region in rodata::read_only_data(&file, &info).ok()? {
        let look = |window: Window<'_>| {
            for at in memmem::find_iter(window.bytes, RELEASE) {
                let text = &window.bytes[at..];
                let text = &text[..text.len().min(MAX_RELEASE)];
                let end = memchr::memchr2(0, b'\n', text).unwrap_or(0);
                let text = String::from_utf8_lossy(&text[..end]).into_owned();
                found.insert(window.offset + at as u64, text);
            }
        };
        windows(&file, region, look).ok()?;
    }
    let mut texts = found.into_values();
    texts.next().filter(|_| texts.next().is_none())
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

/// The first bytes of a text file.
pub(super) fn read_start(path: &Path, len: u64) -> io::Result<String> {
    let file = File::open(path)?;
    let expected = file.metadata()?.len().min(len) as usize;
    let mut bytes = Vec::with_capacity(expected + 1);
    file.take(len).read_to_end(&mut bytes)?;
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

    #[test]
    fn a_version_behind_the_first_window_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("include")).unwrap();
        let line = "#define CUDA_VERSION 13050\n";
        for before in (WINDOWS[0] as usize - line.len() - 2)..WINDOWS[0] as usize + 2 {
            let text = [&"/".repeat(before - 1), "\n", line].concat();
            std::fs::write(dir.path().join("include/cuda.h"), text).unwrap();
            let (found, _) = of_prefix(dir.path()).unwrap().unwrap();
            assert_eq!(Some(found), "13.5".parse().ok(), "{before}");
        }
    }

    #[test]
    fn the_release_in_nvccs_text() {
        let text = "Cuda compilation tools, release 13.5, V13.5.37";
        let found = release(text).unwrap();
        assert_eq!(found, ("13.5".parse().unwrap(), Some("13.5.37".to_owned())));
        assert_eq!(release("Cuda compilation tools, release %s, V%s"), None);
    }
}

//! nixpkgs' newest marker, `nix-support/cuda-component`: the component and CUDA release of a
//! package, as bash's `declare -p` prints an associative array.

use super::FarmError;
use super::versions::{MAX_BYTES, read_start};
use crate::cuda::CudaVersion;
use std::io;
use std::path::{Path, PathBuf};

/// The marker, below a package.
pub(super) const PLACE: &str = "nix-support/cuda-component";

/// The CUDA version in a marker's text.
pub(super) fn cuda_version(text: &str) -> Option<CudaVersion> {
    value(text, "cudaMajorMinorVersion")?.parse().ok()
}

/// The compiler that a package declares: an absolute path, or one below the package.
pub(super) fn compiler(package: &Path) -> Result<Option<PathBuf>, FarmError> {
    let marker = package.join(PLACE);
    let text = match read_start(&marker, MAX_BYTES) {
        Ok(text) => text,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(FarmError::io(&marker, e)),
    };
    let Some(compiler) = value(&text, "compiler").filter(|path| !path.is_empty()) else {
        return Ok(None);
    };
    let compiler = package.join(compiler);
    match compiler.canonicalize() {
        Ok(real) => Ok(Some(real)),
        Err(e) => Err(FarmError::prefix(
            &marker,
            format!(
                "says that the compiler is {}: {e}",
                crate::escape::shown(&compiler)
            ),
        )),
    }
}

/// The value of `[key]="value"`, without bash's backslashes before special characters.
fn value(text: &str, key: &str) -> Option<String> {
    let (_, rest) = text.split_once(&format!("[{key}]="))?;
    let mut characters = rest.chars();
    let mut value = String::new();
    let quote = match characters.next()? {
        quote @ ('"' | '\'') => quote,
        ' ' | ')' => return Some(value),
        first => {
            value.push(first);
            ' '
        }
    };
    while let Some(character) = characters.next() {
        match character {
            '\\' if quote != '\'' => value.push(characters.next()?),
            end if end == quote || (quote == ' ' && end == ')') => return Some(value),
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_bash_prints_is_understood() {
        let text = "declare -A cudaComponentMetadata=([format]=\"3\" [compiler]=\"\" \
                    [component]=\"a \\\"b\\\" \\$c\" [output]='lib x' [plain]=bare [last]=x)\n";
        for (key, expected) in [
            ("format", Some("3")),
            ("compiler", Some("")),
            ("component", Some("a \"b\" $c")),
            ("output", Some("lib x")),
            ("plain", Some("bare")),
            ("last", Some("x")),
            ("absent", None),
        ] {
            assert_eq!(value(text, key).as_deref(), expected, "{key}");
        }
        assert_eq!(value("([cut]=\"never ends", "cut"), None);
        assert_eq!(value("([cut]=", "cut"), None);
    }

    #[test]
    fn the_version_is_the_releases_and_not_the_components() {
        let text = "declare -A cudaComponentMetadata=([cudaComponentVersion]=\"13.5.37\" \
                    [cudaMajorMinorVersion]=\"12.9\" )";
        assert_eq!(cuda_version(text), "12.9".parse().ok());
        assert_eq!(cuda_version("declare -A cudaComponentMetadata=()"), None);
    }
}

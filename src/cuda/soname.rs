//! Parses sonames of libraries: `libcudart.so.12`, or `libcudart-53d54daa.so.12.6.68` as in wheels.
//!
//! auditwheel and similar tools copy a library into a wheel as `STEM-HASH.so.VERSION`, where HASH
//! is the first eight hexadecimal digits of the file's SHA-256 and VERSION is that of the file,
//! which is longer than that of the SONAME.

use super::CudaVersion;

/// Digits of the hash that auditwheel puts into a name.
const HASH: usize = 8;

/// A soname, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Soname<'a> {
    /// `libcudart`, without the hash.
    pub stem: &'a [u8],
    /// A tool renamed the library when it copied it into a wheel.
    pub renamed: bool,
    /// `12.6.68` of `libcudart.so.12.6.68`; empty for `libcudart.so`.
    pub version: &'a [u8],
}

impl<'a> Soname<'a> {
    /// Splits a soname into its parts. `None` unless the name ends in `.so` and an optional
    /// version.
    pub(crate) fn parse(name: &'a [u8]) -> Option<Soname<'a>> {
        let at = memchr::memmem::find(name, b".so")?;
        let (stem, rest) = (&name[..at], &name[at + 3..]);
        let version = match rest {
            [] => rest,
            [b'.', version @ ..] if is_version(version) => version,
            _ => return None,
        };
        let renamed = without_hash(stem);
        Some(Soname {
            stem: renamed.unwrap_or(stem),
            renamed: renamed.is_some(),
            version,
        })
    }

    /// 12 of `libx.so.12.6`.
    pub(crate) fn major(&self) -> Option<u32> {
        self.numbers().next()
    }

    fn numbers(&self) -> impl Iterator<Item = u32> + use<'a> {
        let parts = self.version.split(|&byte| byte == b'.');
        parts.map_while(|part| str::from_utf8(part).ok()?.parse().ok())
    }
}

fn is_version(text: &[u8]) -> bool {
    text.split(|&byte| byte == b'.')
        .all(|part| !part.is_empty() && part.iter().all(u8::is_ascii_digit))
}

/// `libx` of `libx-53d54daa`.
fn without_hash(stem: &[u8]) -> Option<&[u8]> {
    let dash = stem.len().checked_sub(HASH + 1)?;
    let hash = &stem[dash + 1..];
    let is_hash = hash.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    (stem[dash] == b'-' && is_hash && dash > 0).then_some(&stem[..dash])
}

/// Whether a soname is that of the shared CUDA runtime.
pub(crate) fn is_cudart(name: &[u8]) -> bool {
    Soname::parse(name).is_some_and(|soname| soname.stem == b"libcudart")
}

/// A version of the CUDA runtime, as exact as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RuntimeVersion {
    /// 12 of 12.4
    pub major: u32,
    /// 4 of 12.4, where it is known.
    pub minor: Option<u32>,
}

impl RuntimeVersion {
    /// The version in a soname of cudart. Since CUDA 11 the SONAME has the major version only: all
    /// of CUDA 11 is `libcudart.so.11.0`, all of CUDA 12 is `libcudart.so.12`.
    pub(crate) fn of_soname(name: &[u8]) -> Option<RuntimeVersion> {
        let soname = Soname::parse(name).filter(|soname| soname.stem == b"libcudart")?;
        let numbers: Vec<u32> = soname.numbers().collect();
        let (&major, rest) = numbers.split_first()?;
        let minor = match rest {
            [0] if major >= 11 => None,
            [minor, ..] => Some(*minor),
            [] => None,
        };
        Some(RuntimeVersion { major, minor })
    }

    /// Whether this can be that CUDA's runtime.
    pub(crate) fn may_be(self, cuda: CudaVersion) -> bool {
        self.major == cuda.major && self.minor.is_none_or(|minor| minor == cuda.minor)
    }
}

impl From<CudaVersion> for RuntimeVersion {
    fn from(version: CudaVersion) -> RuntimeVersion {
        RuntimeVersion {
            major: version.major,
            minor: Some(version.minor),
        }
    }
}

impl std::fmt::Display for RuntimeVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.minor {
            Some(minor) => write!(f, "{}.{minor}", self.major),
            None => write!(f, "{}", self.major),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renamed_libraries_keep_their_stem_and_version() {
        let parsed = |name: &'static str| {
            let soname = Soname::parse(name.as_bytes())?;
            let text = |bytes| str::from_utf8(bytes).unwrap();
            Some((text(soname.stem), soname.renamed, text(soname.version)))
        };
        for (name, expected) in [
            ("libcudart.so.12", ("libcudart", false, "12")),
            ("libcudart.so", ("libcudart", false, "")),
            (
                "libcudart-53d54daa.so.12.6.68",
                ("libcudart", true, "12.6.68"),
            ),
            ("libcudart-53d54daa.so", ("libcudart", true, "")),
            ("libcudnn_ops-0a1b2c3d.so.9", ("libcudnn_ops", true, "9")),
            // No hash: capital letters, another length, another separator.
            ("libx-53D54DAA.so.1", ("libx-53D54DAA", false, "1")),
            ("libx-53d54da.so.1", ("libx-53d54da", false, "1")),
            ("libx_53d54daa.so.1", ("libx_53d54daa", false, "1")),
            (
                "libnvrtc-builtins.so.12.9",
                ("libnvrtc-builtins", false, "12.9"),
            ),
        ] {
            assert_eq!(parsed(name), Some(expected), "{name}");
        }
        for name in [
            "libcudart",
            "libcudart.so.",
            "libcudart.so.x",
            "libcudart.so.12.",
            "libx.source",
        ] {
            assert_eq!(parsed(name), None, "{name}");
        }
        assert!(is_cudart(b"libcudart-53d54daa.so.12.6.68") && is_cudart(b"libcudart.so.11.0"));
        assert!(!is_cudart(b"libcudart_static.so.1") && !is_cudart(b"libcudartx.so"));
    }

    #[test]
    fn a_soname_says_as_much_of_the_version_as_it_can() {
        let version = |name: &str| RuntimeVersion::of_soname(name.as_bytes());
        let of = |major, minor| Some(RuntimeVersion { major, minor });
        assert_eq!(version("libcudart.so.12"), of(12, None));
        assert_eq!(version("libcudart.so.11.0"), of(11, None));
        assert_eq!(version("libcudart.so.10.2"), of(10, Some(2)));
        assert_eq!(version("libcudart.so.10.0"), of(10, Some(0)));
        assert_eq!(version("libcudart-53d54daa.so.12.6.68"), of(12, Some(6)));
        assert_eq!(version("libcudart-53d54daa.so.11.0.221"), of(11, Some(0)));
        assert_eq!(version("libcudart.so"), None);
        assert_eq!(version("libcublas.so.12"), None);
        let twelve = version("libcudart.so.12").unwrap();
        assert!(twelve.may_be("12.4".parse().unwrap()) && !twelve.may_be("13.0".parse().unwrap()));
    }
}

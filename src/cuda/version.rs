//! CUDA's version, major and minor, which determines the supported architectures and compilers.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// A CUDA release such as 12.4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CudaVersion {
    /// 12 of 12.4
    pub major: u32,
    /// 4 of 12.4
    pub minor: u32,
}

/// No text that a CUDA version is written as.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no CUDA version: write it like 12.4")]
pub struct NoVersion(String);

impl CudaVersion {
    /// From CUDA_VERSION of cuda.h, 1000 * major + 10 * minor.
    pub fn from_number(number: u32) -> CudaVersion {
        CudaVersion {
            major: number / 1000,
            minor: number % 1000 / 10,
        }
    }
}

impl fmt::Display for CudaVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl FromStr for CudaVersion {
    type Err = NoVersion;

    /// Parses 12.4 and 12.4.1; anything after the minor number is ignored.
    fn from_str(text: &str) -> Result<CudaVersion, NoVersion> {
        let mut parts = text.split('.');
        let mut number = || {
            let part = parts.next()?;
            let digits = !part.is_empty() && part.len() <= 4;
            (digits && part.bytes().all(|b| b.is_ascii_digit())).then(|| part.parse().ok())?
        };
        match (number(), number()) {
            (Some(major), Some(minor)) => Ok(CudaVersion { major, minor }),
            _ => Err(NoVersion(text.to_owned())),
        }
    }
}

impl Serialize for CudaVersion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for CudaVersion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<CudaVersion, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_numbers() {
        let version = |major, minor| CudaVersion { major, minor };
        assert_eq!("12.4".parse(), Ok(version(12, 4)));
        assert_eq!("12.4.131".parse(), Ok(version(12, 4)));
        assert_eq!(CudaVersion::from_number(13050), version(13, 5));
        assert_eq!(CudaVersion::from_number(11080), version(11, 8));
        assert!(version(12, 10) > version(12, 9));
        for bad in ["", "12", "12.", ".4", "a.b", "12.+4", "99999.1"] {
            assert!(bad.parse::<CudaVersion>().is_err(), "{bad}");
        }
    }
}

//! A compute capability, in all the ways that it is written: 9.0a, 90a, sm_90a, compute_90a.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// Meaning of the letter after a capability: the GPUs on which the code runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Variant {
    /// No letter: runs on this and later ones of the same major number.
    Base,
    /// `a`: this architecture only.
    Architecture,
    /// `f`: the family.
    Family,
}

/// A compute capability such as 9.0, 9.0a or 10.0f.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Capability {
    /// 9 of 9.0a
    pub major: u32,
    /// 0 of 9.0a
    pub minor: u32,
    /// `a` of 9.0a
    pub variant: Variant,
}

/// No text that a capability is written as.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no compute capability: write it like 8.6, 9.0a or 10.0f")]
pub struct NoCapability(String);

impl Capability {
    /// The text without its dot: `90a`, as after `sm_` and in CMAKE_CUDA_ARCHITECTURES.
    pub fn digits(self) -> String {
        format!("{}{}{}", self.major, self.minor, self.letter())
    }

    /// From `90a`.
    pub fn from_digits(text: &str) -> Option<Capability> {
        let (digits, variant) = split_letter(text);
        if !(2..=4).contains(&digits.len()) || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let number: u32 = digits.parse().ok()?;
        Some(Capability {
            major: number / 10,
            minor: number % 10,
            variant,
        })
    }

    /// From an architecture's name: `sm_90a`, `compute_90a`, `lto_90a`.
    pub fn from_architecture(name: &str) -> Option<Capability> {
        let digits = ["sm_", "compute_", "lto_"]
            .iter()
            .find_map(|prefix| name.strip_prefix(prefix))?;
        Capability::from_digits(digits)
    }

    fn letter(self) -> &'static str {
        match self.variant {
            Variant::Base => "",
            Variant::Architecture => "a",
            Variant::Family => "f",
        }
    }
}

fn split_letter(text: &str) -> (&str, Variant) {
    if let Some(digits) = text.strip_suffix('a') {
        (digits, Variant::Architecture)
    } else if let Some(digits) = text.strip_suffix('f') {
        (digits, Variant::Family)
    } else {
        (text, Variant::Base)
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}{}", self.major, self.minor, self.letter())
    }
}

impl FromStr for Capability {
    type Err = NoCapability;

    fn from_str(text: &str) -> Result<Capability, NoCapability> {
        text.split_once('.')
            .filter(|(_, rest)| split_letter(rest).0.len() == 1)
            .and_then(|(major, rest)| Capability::from_digits(&format!("{major}{rest}")))
            .ok_or_else(|| NoCapability(text.to_owned()))
    }
}

impl Serialize for Capability {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Capability {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Capability, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_of_writing_one_gives_the_same() {
        for (text, digits) in [
            ("3.5", "35"),
            ("9.0a", "90a"),
            ("10.0f", "100f"),
            ("12.1", "121"),
        ] {
            let capability: Capability = text.parse().unwrap();
            assert_eq!(capability.to_string(), text);
            assert_eq!(capability.digits(), digits);
            for prefix in ["sm_", "compute_", "lto_"] {
                let name = format!("{prefix}{digits}");
                assert_eq!(Capability::from_architecture(&name), Some(capability));
            }
        }
        for bad in [
            "", "9", "90", "9.0b", "9.00", "9.", ".0", "9.a", "x.0", "9.0aa", "1e.1",
        ] {
            assert!(bad.parse::<Capability>().is_err(), "{bad}");
        }
        assert_eq!(Capability::from_architecture("sm_9"), None);
        assert_eq!(Capability::from_architecture("sm_"), None);
        assert_eq!(Capability::from_architecture("native"), None);
    }
}

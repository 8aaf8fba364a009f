//! How a file uses the CUDA runtime: linked in, as a shared library, or not at all.

use super::CudaVersion;
use super::cudart::StaticCudart;
use elf_edit::ElfInfo;

/// Where a file's CUDA runtime is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Linkage {
    /// In the file itself.
    Static,
    /// In libcudart.so, which the file needs, or is.
    Shared,
    /// Nowhere: no CUDA, or the driver's interface alone, or left to others.
    None,
}

impl Linkage {
    /// The word that reports use.
    pub fn word(self) -> &'static str {
        match self {
            Linkage::Static => "static",
            Linkage::Shared => "shared",
            Linkage::None => "none",
        }
    }
}

/// What a claim rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// A string, instructions, or a dynamic entry.
    pub what: String,
    /// Where it stands in the file; None for a dynamic entry.
    pub offset: Option<u64>,
}

/// How one file uses the CUDA runtime.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cudart {
    /// Where the runtime is. A file with a static one that needs a shared one too is `Static`,
    /// and `needed` names the other.
    pub linkage: Linkage,
    /// The static runtime's version, where its code tells.
    pub version: Option<CudaVersion>,
    /// The shared runtime that the file needs: `libcudart.so.12`.
    pub needed: Option<Vec<u8>>,
    /// Why it is said.
    pub evidence: Vec<Evidence>,
}

impl Cudart {
    /// From the headers and, where the contents were read, what they say.
    pub fn new(facts: &ElfInfo, within: Option<&StaticCudart>) -> Cudart {
        let is_cudart = |name: &&Vec<u8>| name.starts_with(b"libcudart.so");
        let needed = facts.needed().iter().find(is_cudart).cloned();
        let soname = facts.dynamic.as_ref().and_then(|d| d.soname.as_ref());
        let mut evidence = Vec::new();
        if let Some(found) = within {
            evidence.extend(found.evidence.iter().map(|clue| Evidence {
                what: clue.what.clone(),
                offset: Some(clue.offset),
            }));
        }
        for (tag, name) in [
            ("NEEDED", needed.as_ref()),
            ("SONAME", soname.filter(is_cudart)),
        ] {
            if let Some(name) = name {
                evidence.push(Evidence {
                    what: format!("{tag} {}", String::from_utf8_lossy(name)),
                    offset: None,
                });
            }
        }
        Cudart {
            linkage: match within {
                Some(_) => Linkage::Static,
                None if evidence.is_empty() => Linkage::None,
                None => Linkage::Shared,
            },
            version: within
                .and_then(|found| found.version)
                .map(CudaVersion::from_number),
            needed,
            evidence,
        }
    }

    /// The shared runtime's version as its name has it: 12 of `libcudart.so.12`, 11.0 of
    /// `libcudart.so.11.0` (which all of CUDA 11 has).
    pub fn needed_version(&self) -> Option<String> {
        let name = self.needed.as_ref()?.strip_prefix(b"libcudart.so.")?;
        String::from_utf8(name.to_vec()).ok()
    }
}

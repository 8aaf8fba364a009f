//! The CUDA runtime of a file: linked statically, as a shared library, or none.

use super::cudart::{self, RuntimeCode};
use super::soname::is_cudart;
use super::{CudaVersion, RuntimeVersion};
use elf_edit::ElfInfo;

/// Location of a file's CUDA runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Linkage {
    /// In the file itself.
    Static,
    /// In libcudart.so, of which the file is a dependent or a copy.
    Shared,
    /// Nowhere: no CUDA, or the driver's interface alone, or left to others.
    None,
}

impl Linkage {
    /// The word that reports use.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Linkage::Static => "static",
            Linkage::Shared => "shared",
            Linkage::None => "none",
        }
    }
}

/// Evidence for a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Evidence {
    /// A string, instructions, or a dynamic entry.
    pub what: String,
    /// Offset in the file; None for a dynamic entry.
    pub offset: Option<u64>,
}

/// The CUDA runtime of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cudart {
    /// Location of the runtime. A file with both a static and a shared one is `Static`, and
    /// `needed` names the other.
    pub linkage: Linkage,
    /// The version of the runtime in the file, or of the shared one that it needs, as far as the
    /// file determines it.
    pub version: Option<RuntimeVersion>,
    /// The shared runtime that the file needs: `libcudart.so.12`.
    pub needed: Option<Vec<u8>>,
    /// The evidence for it.
    pub evidence: Vec<Evidence>,
}

impl Cudart {
    /// From the headers and, where the contents were read, the code of a runtime in them.
    pub(crate) fn new(info: &ElfInfo, code: Option<&RuntimeCode>) -> Cudart {
        let needed = info.needed().iter().find(|name| is_cudart(name)).cloned();
        let soname = info.dynamic.as_ref().and_then(|d| d.soname.as_ref());
        let is_cudart = cudart::is_cudart_itself(info);
        let mut evidence = Vec::new();
        if let Some(code) = code {
            evidence.extend(code.evidence.iter().map(|clue| Evidence {
                what: clue.what.clone(),
                offset: Some(clue.offset),
            }));
        }
        for (tag, name) in [
            ("NEEDED", needed.as_ref()),
            ("SONAME", soname.filter(|_| is_cudart)),
        ] {
            if let Some(name) = name {
                evidence.push(Evidence {
                    what: format!("{tag} {}", String::from_utf8_lossy(name)),
                    offset: None,
                });
            }
        }
        let own = code.and_then(|code| code.version);
        let own = own.map(|number| CudaVersion::from_number(number).into());
        let of_name = |name: Option<&Vec<u8>>| RuntimeVersion::of_soname(name?);
        let (linkage, version) = match code {
            _ if is_cudart => (Linkage::Shared, own.or_else(|| of_name(soname))),
            Some(_) => (Linkage::Static, own),
            None if needed.is_some() => (Linkage::Shared, of_name(needed.as_ref())),
            None => (Linkage::None, None),
        };
        Cudart {
            linkage,
            version,
            needed,
            evidence,
        }
    }
}

//! Prints the CUDA runtime of a file, for people and as JSON.

use crate::cuda::linkage::{Cudart, Linkage};
use crate::escape::{Shown, sentence};
use serde::Serialize;
use std::io::{self, Write};

/// The runtime of a file in JSON; what matters most comes first.
#[derive(Serialize)]
pub(crate) struct CudartJson {
    linkage: &'static str,
    version: Option<String>,
    needed: Option<String>,
    evidence: Vec<ClueJson>,
}

#[derive(Serialize)]
struct ClueJson {
    what: String,
    offset: Option<u64>,
}

impl From<&Cudart> for CudartJson {
    fn from(cudart: &Cudart) -> CudartJson {
        let shown = |bytes: &[u8]| Shown::from(bytes).to_string();
        let clues = cudart.evidence.iter().map(|clue| ClueJson {
            what: sentence(&clue.what).to_string(),
            offset: clue.offset,
        });
        CudartJson {
            linkage: cudart.linkage.word(),
            version: cudart.version.map(|version| version.to_string()),
            needed: cudart.needed.as_deref().map(shown),
            evidence: clues.collect(),
        }
    }
}

/// One line, and one for each piece of evidence. Nothing for a file without a runtime.
pub(crate) fn write_cudart(out: &mut impl Write, indent: &str, cudart: &Cudart) -> io::Result<()> {
    if cudart.linkage == Linkage::None {
        return Ok(());
    }
    let linkage = cudart.linkage.word();
    match cudart.version {
        Some(version) => writeln!(out, "{indent}cudart: {linkage}, {version}")?,
        None => writeln!(out, "{indent}cudart: {linkage}, version unknown")?,
    }
    for evidence in &cudart.evidence {
        let what = sentence(&evidence.what);
        match evidence.offset {
            Some(offset) => writeln!(out, "{indent}  {what} at {offset:#x}")?,
            None => writeln!(out, "{indent}  {what}")?,
        }
    }
    Ok(())
}

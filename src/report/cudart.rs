//! Prints the CUDA runtime of a file, for people and as JSON.

use crate::cuda::linkage::{Cudart, Linkage};
use crate::escape::{Shown, sentence};
use serde_json::{Value, json};
use std::io::{self, Write};

/// `{"linkage", "version", "needed", "evidence": [{"what", "offset"}]}`
pub(crate) fn cudart_json(cudart: &Cudart) -> Value {
    json!({
        "linkage": cudart.linkage.word(),
        "version": cudart.version.map(|version| version.to_string()),
        "needed": cudart.needed.as_ref().map(|n| Shown::from(&n[..]).to_string()),
        "evidence": cudart.evidence.iter().map(|evidence| json!({
            "what": sentence(&evidence.what).to_string(),
            "offset": evidence.offset,
        })).collect::<Vec<_>>(),
    })
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

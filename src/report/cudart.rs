//! How a file uses the CUDA runtime, for people and as JSON.

use crate::cuda::linkage::{Cudart, Linkage};
use crate::escape::Shown;
use serde_json::{Value, json};
use std::io::{self, Write};

/// `{"linkage", "version", "needed", "evidence": [{"what", "offset"}]}`
pub fn cudart_json(cudart: &Cudart) -> Value {
    let version = match cudart.linkage {
        Linkage::Static => cudart.version.map(|v| v.to_string()),
        _ => cudart.needed_version(),
    };
    json!({
        "linkage": cudart.linkage.word(),
        "version": version,
        "needed": cudart.needed.as_ref().map(|n| Shown::from(&n[..]).to_string()),
        "evidence": cudart.evidence.iter().map(|evidence| json!({
            "what": Shown::from(evidence.what.as_bytes()).to_string(),
            "offset": evidence.offset,
        })).collect::<Vec<_>>(),
    })
}

/// One line, and one for each piece of evidence. Nothing for a file without a runtime.
pub fn write_cudart(out: &mut impl Write, indent: &str, cudart: &Cudart) -> io::Result<()> {
    match cudart.linkage {
        Linkage::None => return Ok(()),
        Linkage::Static => match cudart.version {
            Some(version) => writeln!(out, "{indent}cudart: static, {version}")?,
            None => writeln!(out, "{indent}cudart: static, version unknown")?,
        },
        Linkage::Shared => writeln!(out, "{indent}cudart: shared")?,
    }
    for evidence in &cudart.evidence {
        let what = Shown::from(evidence.what.as_bytes());
        match evidence.offset {
            Some(offset) => writeln!(out, "{indent}  {what} at {offset:#x}")?,
            None => writeln!(out, "{indent}  {what}")?,
        }
    }
    Ok(())
}

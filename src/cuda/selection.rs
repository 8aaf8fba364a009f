//! A checked list of capabilities to build for, and the resulting options of nvcc and CMake.

use super::capability::Variant;
use super::table::{GpuTable, Refusal, Row};
use super::{Capability, CudaVersion};
use serde::Serialize;
use std::fmt;

/// Capabilities to build for. The names are those of the same lists in Nix's CUDA packages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Selection {
    /// The CUDA version that it was checked against.
    pub cuda_version: CudaVersion,
    /// In order, each once.
    pub cuda_capabilities: Vec<Capability>,
    /// PTX of the newest goes along, for GPUs that are still to come.
    pub cuda_forward_compat: bool,
    /// All are Jetson's.
    pub is_jetson_build: bool,
    /// `sm_90a`: machine code.
    pub real_arches: Vec<String>,
    /// `compute_90a`: PTX.
    pub virtual_arches: Vec<String>,
    /// nvcc's `-gencode` flags for all of them.
    pub gencode: Vec<String>,
    /// For CMAKE_CUDA_ARCHITECTURES.
    pub cmake_cuda_architectures: String,
}

/// Why a list cannot be built for, with all its faults, not just the first.
#[derive(Debug, PartialEq, Eq)]
pub enum SelectionError {
    /// Some are not in this CUDA version.
    Refused(Vec<Refusal>),
    /// A mix of Jetsons that need their own toolkit and other GPUs.
    Mixed {
        /// Jetson's.
        jetson: Vec<Capability>,
        others: Vec<Capability>,
        /// The CUDA version that first supports such a mix.
        since: Option<CudaVersion>,
    },
    /// Nothing to build for.
    Empty,
}

impl fmt::Display for SelectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SelectionError::Refused(refusals) => {
                let texts: Vec<_> = refusals.iter().map(Refusal::to_string).collect();
                f.write_str(&texts.join("\n"))
            }
            SelectionError::Mixed {
                jetson,
                others,
                since,
            } => {
                write!(
                    f,
                    "Jetson's compute capabilities ({}) and others ({}) don't go into one build: build twice",
                    spaced(jetson),
                    spaced(others)
                )?;
                match since {
                    Some(since) => write!(f, ", or take CUDA {since} or newer"),
                    None => Ok(()),
                }
            }
            SelectionError::Empty => {
                f.write_str("the list of compute capabilities is empty: name at least one")
            }
        }
    }
}

impl std::error::Error for SelectionError {}

fn spaced(list: &[Capability]) -> String {
    let texts: Vec<_> = list.iter().map(Capability::to_string).collect();
    texts.join(" ")
}

impl Selection {
    /// Checks the list against a CUDA version and derives the rest.
    pub fn new(
        table: &GpuTable,
        cuda: CudaVersion,
        mut list: Vec<Capability>,
        forward_compat: bool,
    ) -> Result<Selection, SelectionError> {
        list.sort();
        list.dedup();
        let (mut rows, mut refusals) = (Vec::new(), Vec::new());
        for &capability in &list {
            match table.check(capability, cuda) {
                Ok(row) => rows.push(row),
                Err(refusal) => refusals.push(refusal),
            }
        }
        if !refusals.is_empty() {
            return Err(SelectionError::Refused(refusals));
        }
        if let Some(mixed) = mixed(&rows, cuda) {
            return Err(mixed);
        }
        if list.is_empty() {
            return Err(SelectionError::Empty);
        }
        // PTX of a capability with a letter runs on nothing newer.
        let newest = list.iter().rev().find(|c| c.variant == Variant::Base);
        let ptx = newest.copied().filter(|_| forward_compat);
        let digits: Vec<String> = list.iter().map(|c| c.digits()).collect();
        let mut gencode: Vec<String> = digits
            .iter()
            .map(|d| format!("-gencode=arch=compute_{d},code=sm_{d}"))
            .collect();
        if let Some(d) = ptx.map(Capability::digits) {
            gencode.push(format!("-gencode=arch=compute_{d},code=compute_{d}"));
        }
        let cmake: Vec<String> = list
            .iter()
            .map(|c| match Some(*c) == ptx {
                true => c.digits(),
                false => format!("{}-real", c.digits()),
            })
            .collect();
        Ok(Selection {
            cuda_version: cuda,
            is_jetson_build: rows.iter().all(|row| row.jetson),
            cuda_capabilities: list,
            cuda_forward_compat: ptx.is_some(),
            real_arches: digits.iter().map(|d| format!("sm_{d}")).collect(),
            virtual_arches: digits.iter().map(|d| format!("compute_{d}")).collect(),
            gencode,
            cmake_cuda_architectures: cmake.join(";"),
        })
    }
}

/// Capabilities of Jetsons for which this CUDA version has a separate toolkit, mixed with others.
fn mixed(rows: &[&Row], cuda: CudaVersion) -> Option<SelectionError> {
    let (jetson, others): (Vec<&Row>, Vec<&Row>) =
        rows.iter().partition(|row| row.needs_jetson_toolkit(cuda));
    if jetson.is_empty() || others.is_empty() {
        return None;
    }
    let since = jetson.iter().map(|row| row.sbsa_since);
    let since: Option<Vec<CudaVersion>> = since.collect();
    let capabilities = |rows: &[&Row]| rows.iter().map(|row| row.capability).collect();
    Some(SelectionError::Mixed {
        jetson: capabilities(&jetson),
        others: capabilities(&others),
        since: since.and_then(|all| all.into_iter().max()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn select(cuda: &str, list: &str) -> Result<Selection, SelectionError> {
        let list = list.split(' ').map(|c| c.parse().unwrap()).collect();
        Selection::new(GpuTable::read().unwrap(), cuda.parse().unwrap(), list, true)
    }

    #[test]
    fn ptx_is_of_the_newest_without_a_letter() {
        let selection = select("12.8", "9.0a 9.0 8.0 9.0").unwrap();
        assert_eq!(
            selection.gencode,
            [
                "-gencode=arch=compute_80,code=sm_80",
                "-gencode=arch=compute_90,code=sm_90",
                "-gencode=arch=compute_90a,code=sm_90a",
                "-gencode=arch=compute_90,code=compute_90",
            ]
        );
        assert_eq!(selection.cmake_cuda_architectures, "80-real;90;90a-real");
        let only = select("12.8", "9.0a").unwrap();
        assert!(!only.cuda_forward_compat);
        assert_eq!(only.cmake_cuda_architectures, "90a-real");
    }

    #[test]
    fn all_that_is_wrong_is_told() {
        let text = select("12.4", "3.5 9.0 12.0").unwrap_err().to_string();
        assert_eq!(text.lines().count(), 2, "{text}");
        assert_eq!(
            select("12.4", "8.6 8.7 9.0").unwrap_err().to_string(),
            "Jetson's compute capabilities (8.7) and others (8.6 9.0) don't go into one build: build twice, \
             or take CUDA 13.2 or newer"
        );
        assert_eq!(
            select("12.4", "7.2 9.0").unwrap_err().to_string(),
            "Jetson's compute capabilities (7.2) and others (9.0) don't go into one build: build twice"
        );
        assert!(select("12.4", "8.7").unwrap().is_jetson_build);
    }

    /// The toolkit for servers (sbsa) builds for Thor since CUDA 13.0 and for Orin since 13.2.
    #[test]
    fn jetsons_of_sbsa_go_with_others() {
        let thor = select("13.0", "9.0 11.0").unwrap();
        assert!(!thor.is_jetson_build && thor.real_arches == ["sm_90", "sm_110"]);
        assert!(select("13.2", "8.7 9.0 11.0").is_ok());
        for (cuda, list) in [
            ("13.0", "8.7 9.0"),
            ("13.1", "8.7 11.0"),
            ("12.9", "9.0 10.1"),
        ] {
            let refused = select(cuda, list);
            assert!(
                matches!(refused, Err(SelectionError::Mixed { .. })),
                "{cuda}: {list}"
            );
        }
        assert!(select("13.0", "11.0").unwrap().is_jetson_build);
        assert!(select("12.9", "8.7 10.1").unwrap().is_jetson_build);
    }
}

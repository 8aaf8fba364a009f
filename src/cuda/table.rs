//! Architectures that each CUDA version supports, from `nix/data/gpus.json`.

use super::{Capability, CudaVersion, capability::Variant};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::LazyLock;

/// One capability. Each row has a `source`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Row {
    /// Such as 9.0a.
    pub capability: Capability,
    /// NVIDIA's name of the architecture.
    pub name: String,
    /// The first CUDA version that has it.
    pub min: CudaVersion,
    /// The last one, if it is gone.
    pub max: Option<CudaVersion>,
    /// The last CUDA version that builds for it by default; `None`: all.
    pub default_until: Option<CudaVersion>,
    /// For an integrated (Jetson) GPU.
    pub jetson: bool,
    /// The first CUDA version whose toolkit for servers (sbsa) builds for this Jetson too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sbsa_since: Option<CudaVersion>,
    /// Its name in later CUDA versions.
    pub successor: Option<Capability>,
    /// Source of this row.
    pub source: String,
}

impl Row {
    fn in_cuda(&self, cuda: CudaVersion) -> bool {
        self.min <= cuda && self.max.is_none_or(|max| cuda <= max)
    }

    /// Whether this CUDA version builds for the capability with a toolkit for Jetsons only.
    pub fn needs_jetson_toolkit(&self, cuda: CudaVersion) -> bool {
        self.jetson && !self.is_sbsa(cuda)
    }

    fn is_sbsa(&self, cuda: CudaVersion) -> bool {
        self.sbsa_since.is_some_and(|since| since <= cuda)
    }

    fn default_in(&self, cuda: CudaVersion) -> bool {
        self.in_cuda(cuda)
            && self.capability.variant == Variant::Base
            && self.default_until.is_none_or(|until| cuda <= until)
    }
}

/// GPUs and their compute capabilities: nix/data/gpus.json.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GpuTable {
    #[serde(rename = "format")]
    _format: u32,
    /// The newest CUDA version that the rows were compared with.
    pub measured_until: CudaVersion,
    /// In order of capability.
    pub capabilities: Vec<Row>,
}

/// Why a CUDA version does not support a capability.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    capability: Capability,
    cuda: CudaVersion,
    why: Why,
    supported: Vec<Capability>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Why {
    TooNew {
        since: CudaVersion,
        before: Option<Capability>,
    },
    Gone {
        last: CudaVersion,
    },
    Renamed {
        last: CudaVersion,
        now: Capability,
    },
    Unknown,
}

impl GpuTable {
    /// The table that this program was built with, parsed once.
    pub fn read() -> Result<&'static GpuTable, &'static serde_json::Error> {
        static TABLE: LazyLock<Result<GpuTable, serde_json::Error>> =
            LazyLock::new(|| serde_json::from_str(include_str!("../../nix/data/gpus.json")));
        TABLE.as_ref()
    }

    /// The row of a capability.
    pub fn row(&self, capability: Capability) -> Option<&Row> {
        self.capabilities
            .iter()
            .find(|row| row.capability == capability)
    }

    /// Whether a capability is that of an integrated (Tegra) GPU.
    pub fn is_tegra(&self, capability: Capability) -> bool {
        self.row(capability).is_some_and(|row| row.jetson)
    }

    /// Capabilities that this CUDA version supports, in order.
    pub fn supported(&self, cuda: CudaVersion) -> Vec<Capability> {
        self.select(|row| row.in_cuda(cuda))
    }

    /// Default capabilities: no Jetson (or Jetson only), no letters, nothing deprecated. With a
    /// toolkit for both Jetsons and servers, no Jetson that needs another one.
    pub fn defaults(&self, cuda: CudaVersion, jetson: bool) -> Vec<Capability> {
        let wanted = |row: &&Row| row.default_in(cuda) && row.jetson == jetson;
        let rows: Vec<&Row> = self.capabilities.iter().filter(wanted).collect();
        let unified = rows.iter().any(|row| row.is_sbsa(cuda));
        let rows = rows.iter().filter(|row| !unified || row.is_sbsa(cuda));
        rows.map(|row| row.capability).collect()
    }

    fn select(&self, wanted: impl Fn(&Row) -> bool) -> Vec<Capability> {
        let rows = self.capabilities.iter().filter(|row| wanted(row));
        rows.map(|row| row.capability).collect()
    }

    /// Whether this CUDA version supports the capability, and if not, why.
    pub fn check(&self, capability: Capability, cuda: CudaVersion) -> Result<&Row, Refusal> {
        let why = match self.row(capability) {
            Some(row) if row.in_cuda(cuda) => return Ok(row),
            Some(row) if cuda < row.min => Why::TooNew {
                since: row.min,
                before: self.earlier_name(capability, cuda),
            },
            Some(row) => {
                let last = row.max.unwrap_or(row.min);
                match row.successor {
                    Some(now) => Why::Renamed { last, now },
                    None => Why::Gone { last },
                }
            }
            None => Why::Unknown,
        };
        Err(Refusal {
            capability,
            cuda,
            why,
            supported: self.supported(cuda),
        })
    }

    /// Its name in this older CUDA version.
    fn earlier_name(&self, capability: Capability, cuda: CudaVersion) -> Option<Capability> {
        let row = self.capabilities.iter();
        row.filter(|row| row.in_cuda(cuda))
            .find(|row| row.successor == Some(capability))
            .map(|row| row.capability)
    }
}

impl Refusal {
    /// The table has no row of this capability: a toolkit newer than the table may take it.
    pub fn is_unknown(&self) -> bool {
        self.why == Why::Unknown
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (capability, cuda) = (self.capability, self.cuda);
        write!(f, "compute capability {capability} ")?;
        match &self.why {
            Why::TooNew {
                before: Some(before),
                ..
            } => {
                return write!(
                    f,
                    "is called {before} in CUDA {cuda}: ask for {before}, or take a newer CUDA"
                );
            }
            Why::TooNew { since, .. } => write!(
                f,
                "exists from CUDA {since} on, and this is CUDA {cuda}: take a newer CUDA, or leave {capability} out"
            )?,
            Why::Renamed { last, now } => {
                return write!(
                    f,
                    "is called {now} after CUDA {last}, and this is CUDA {cuda}: ask for {now}"
                );
            }
            Why::Gone { last } => write!(
                f,
                "was last known to CUDA {last}, and this is CUDA {cuda}: take an older CUDA, or leave {capability} out"
            )?,
            Why::Unknown => write!(f, "is known to no CUDA version: leave {capability} out")?,
        }
        write!(f, " (CUDA {cuda} takes")?;
        for supported in &self.supported {
            write!(f, " {supported}")?;
        }
        f.write_str(")")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(capability: &str, cuda: &str) -> String {
        let table = GpuTable::read().unwrap();
        table
            .check(capability.parse().unwrap(), cuda.parse().unwrap())
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn the_table_is_in_order_with_a_source_each() {
        let table = GpuTable::read().unwrap();
        let order: Vec<_> = table.capabilities.iter().map(|r| r.capability).collect();
        assert!(order.is_sorted() && order.len() > 30, "{order:?}");
        for row in &table.capabilities {
            assert!(!row.source.is_empty(), "{}", row.capability);
            assert!(
                row.max.is_none_or(|max| max >= row.min),
                "{}",
                row.capability
            );
            if let Some(successor) = row.successor {
                assert!(table.row(successor).is_some(), "{successor}");
            }
        }
    }

    #[test]
    fn refusals_say_since_when_and_what_to_do() {
        let all = "5.0 5.2 5.3 6.0 6.1 6.2 7.0 7.2 7.5 8.0 8.6 8.7 8.9 9.0 9.0a";
        assert_eq!(
            refusal("12.0", "12.4"),
            format!(
                "compute capability 12.0 exists from CUDA 12.8 on, and this is CUDA 12.4: \
                 take a newer CUDA, or leave 12.0 out (CUDA 12.4 takes {all})"
            )
        );
        assert!(refusal("3.5", "12.4").contains("was last known to CUDA 11.8"));
        assert_eq!(
            refusal("10.1a", "13.5"),
            "compute capability 10.1a is called 11.0a after CUDA 12.9, and this is CUDA 13.5: ask for 11.0a"
        );
        assert_eq!(
            refusal("11.0", "12.9"),
            "compute capability 11.0 is called 10.1 in CUDA 12.9: ask for 10.1, or take a newer CUDA"
        );
        assert!(refusal("4.2", "12.9").contains("is known to no CUDA version"));
    }

    #[test]
    fn defaults_leave_letters_jetson_and_the_deprecated_out() {
        let table = GpuTable::read().unwrap();
        let text = |cuda: &str, jetson| {
            let list = table.defaults(cuda.parse().unwrap(), jetson);
            let list: Vec<_> = list.iter().map(|c| c.to_string()).collect();
            list.join(" ")
        };
        assert_eq!(text("11.8", false), "5.2 6.0 6.1 7.0 7.5 8.0 8.6 8.9 9.0");
        assert_eq!(
            text("13.0", false),
            "7.5 8.0 8.6 8.9 9.0 10.0 10.3 12.0 12.1"
        );
        assert_eq!(text("12.9", true), "5.3 6.2 7.2 8.7 10.1");
        assert_eq!(text("13.0", true), "11.0");
        assert_eq!(text("13.5", true), "8.7 11.0");
    }
}

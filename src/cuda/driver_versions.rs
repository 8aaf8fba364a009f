//! Versions of runtimes and PTX that a driver supports, from `nix/data/drivers.json`.

use super::{CudaVersion, RuntimeVersion};
use serde::{Deserialize, Deserializer};
use std::sync::LazyLock;

/// One major version of CUDA, whose runtimes run on any driver of that version.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Major {
    /// 12 of 12.4
    pub major: u32,
    /// The oldest driver that runs it.
    pub min_driver: String,
    /// Source of this row; a row without one is refused.
    #[allow(dead_code, reason = "for readers of the table")]
    pub source: String,
}

/// A version of PTX and the first CUDA version that knows it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ptx {
    /// (9, 5) of 9.5
    #[serde(deserialize_with = "isa")]
    pub isa: (u16, u16),
    pub cuda: CudaVersion,
    /// Source of this row; a row without one is refused.
    #[allow(dead_code, reason = "for readers of the table")]
    pub source: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct DriverVersions {
    #[serde(rename = "format")]
    _format: u32,
    /// Since CUDA 11.
    pub minor_version_compatibility: Vec<Major>,
    /// In order.
    pub ptx: Vec<Ptx>,
}

fn isa<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(u16, u16), D::Error> {
    let text = String::deserialize(deserializer)?;
    let parts = text.split_once('.');
    let numbers = parts.and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
    numbers.ok_or_else(|| serde::de::Error::custom(format!("`{text}` is no version of PTX")))
}

impl DriverVersions {
    /// The table that this program was built with, parsed once.
    pub(crate) fn read() -> Result<&'static DriverVersions, &'static serde_json::Error> {
        static TABLE: LazyLock<Result<DriverVersions, serde_json::Error>> =
            LazyLock::new(|| serde_json::from_str(include_str!("../../nix/data/drivers.json")));
        TABLE.as_ref()
    }

    /// Whether a driver for CUDA `driver` runs programs with this runtime. Newer drivers run older
    /// runtimes; since CUDA 11, any driver of a major version runs all its runtimes.
    pub(crate) fn runs(&self, driver: CudaVersion, runtime: RuntimeVersion) -> bool {
        if runtime.major != driver.major {
            return runtime.major < driver.major;
        }
        let first = self.minor_version_compatibility.first();
        first.is_some_and(|first| runtime.major >= first.major)
            || runtime.minor.is_none_or(|minor| minor <= driver.minor)
    }

    /// The oldest driver that runs a major version of CUDA.
    pub(crate) fn min_driver(&self, major: u32) -> Option<&str> {
        let mut rows = self.minor_version_compatibility.iter();
        let row = rows.find(|row| row.major == major)?;
        Some(&row.min_driver)
    }

    /// The newest PTX that a driver for CUDA `driver` is known to compile.
    pub(crate) fn newest_ptx(&self, driver: CudaVersion) -> Option<(u16, u16)> {
        let known = self.ptx.iter().filter(|row| row.cuda <= driver);
        known.map(|row| row.isa).max()
    }

    /// Whether a driver for CUDA `driver` compiles PTX of this version. A driver newer than the
    /// table may compile PTX newer than the table.
    pub(crate) fn compiles(&self, driver: CudaVersion, isa: (u16, u16)) -> bool {
        match self
            .ptx
            .iter()
            .filter(|row| row.isa >= isa)
            .min_by_key(|row| row.isa)
        {
            Some(row) => row.cuda <= driver,
            None => self.ptx.last().is_none_or(|newest| driver > newest.cuda),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_with_a_source_each() {
        let table = DriverVersions::read().unwrap();
        let ptx: Vec<_> = table.ptx.iter().map(|row| (row.isa, row.cuda)).collect();
        assert!(ptx.is_sorted() && ptx.iter().map(|row| row.1).is_sorted());
        let majors = &table.minor_version_compatibility;
        assert!(majors.iter().map(|row| row.major).eq(11..=13));
        let sources = table.ptx.iter().map(|row| &row.source);
        let mut sources = sources.chain(majors.iter().map(|row| &row.source));
        assert!(sources.all(|source| !source.is_empty()));
        assert_eq!(table.min_driver(13), Some("580"));
        assert_eq!(table.min_driver(10), None);
    }

    #[test]
    fn minor_versions_are_compatible_since_cuda_11() {
        let table = DriverVersions::read().unwrap();
        let runs = |driver: &str, runtime: &str| {
            let runtime: CudaVersion = runtime.parse().unwrap();
            table.runs(driver.parse().unwrap(), runtime.into())
        };
        for (driver, runtime) in [
            ("13.0", "13.5"),
            ("12.0", "12.9"),
            ("11.0", "11.8"),
            ("13.0", "12.9"),
            ("12.4", "9.0"),
            ("10.2", "10.1"),
            ("14.0", "14.3"),
        ] {
            assert!(runs(driver, runtime), "{runtime} on {driver}");
        }
        for (driver, runtime) in [
            ("12.9", "13.0"),
            ("11.8", "12.0"),
            ("10.1", "10.2"),
            ("9.2", "10.0"),
        ] {
            assert!(!runs(driver, runtime), "{runtime} on {driver}");
        }
        let unknown = RuntimeVersion {
            major: 13,
            minor: None,
        };
        assert!(table.runs("13.0".parse().unwrap(), unknown));
        assert!(!table.runs("12.9".parse().unwrap(), unknown));
    }

    #[test]
    fn ptx_is_compiled_by_drivers_that_know_its_version() {
        let table = DriverVersions::read().unwrap();
        let compiles = |driver: &str, isa| table.compiles(driver.parse().unwrap(), isa);
        assert!(compiles("13.0", (9, 0)) && !compiles("13.0", (9, 1)) && !compiles("13.0", (9, 5)));
        assert!(compiles("12.6", (8, 5)) && !compiles("12.6", (8, 6)) && compiles("12.8", (8, 6)));
        assert!(compiles("12.4", (4, 3)) && compiles("9.0", (6, 0)));
        // Newer than the table.
        assert!(!compiles("13.5", (9, 6)) && compiles("13.6", (9, 6)));
        assert_eq!(table.newest_ptx("13.0".parse().unwrap()), Some((9, 0)));
        assert_eq!(table.newest_ptx("12.6".parse().unwrap()), Some((8, 5)));
    }
}

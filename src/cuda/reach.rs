//! The GPUs on which an image of device code runs.
//!
//! The CUDA C++ Programming Guide, "Binary Compatibility": a cubin runs on its own compute
//! capability and on later minor ones of the same major one; "binary compatibility is supported
//! only for the desktop. It is not supported for Tegra", nor between the two. PTX compiles for any
//! later capability, if the driver knows its version. Code with a letter runs on its architecture
//! (`a`) or its family (`f`) only.

use super::CudaVersion;
use super::capability::{Capability, Variant};
use super::device_code::Image;
use super::driver_versions::DriverVersions;
use super::fatbin::{FatbinEntry, ImageKind};
use super::table::GpuTable;
use std::fmt;

/// Tables that decide which images run where.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Machine<'a> {
    /// Capabilities, with those of Tegra.
    pub table: &'a GpuTable,
    /// The PTX versions that each driver compiles.
    pub drivers: &'a DriverVersions,
    /// The newest CUDA that the driver knows, if it is known.
    pub driver: Option<CudaVersion>,
}

impl Machine<'_> {
    /// Whether an image runs on a GPU.
    pub(crate) fn runs(&self, image: &FatbinEntry, gpu: Capability) -> bool {
        let Some(code) = image.capability() else {
            return false;
        };
        match image.kind {
            ImageKind::Cubin => self.is_binary_compatible(code, gpu),
            ImageKind::Ptx => self.compiles(image) && is_ptx_compatible(code, gpu, self.table),
            ImageKind::LtoIr | ImageKind::Concatenated | ImageKind::Unknown(_) => false,
        }
    }

    /// Whether the driver compiles an image of PTX.
    fn compiles(&self, image: &FatbinEntry) -> bool {
        let driver = self.driver;
        driver.is_none_or(|driver| self.drivers.compiles(driver, image.version))
    }

    /// Whether a cubin of capability `code` runs on a GPU.
    fn is_binary_compatible(&self, code: Capability, gpu: Capability) -> bool {
        let desktop = !self.table.is_tegra(code) && !self.table.is_tegra(gpu);
        match code.variant {
            _ if number(code) == number(gpu) => true,
            Variant::Architecture => false,
            Variant::Base | Variant::Family => {
                desktop && code.major == gpu.major && code.minor <= gpu.minor
            }
        }
    }

    /// Whether an image would run on the GPU, were that one of a desktop, or no desktop's.
    fn only_tegra_forbids(&self, image: &FatbinEntry, gpu: Capability) -> bool {
        let Some(code) = image
            .capability()
            .filter(|_| image.kind == ImageKind::Cubin)
        else {
            return false;
        };
        let reaches = code.major == gpu.major && code.minor <= gpu.minor;
        reaches && code.variant != Variant::Architecture && !self.runs(image, gpu)
    }
}

/// The result of loading device code on a GPU.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reach<'a> {
    /// The driver takes this image: a cubin if one runs, else PTX that it compiles.
    Runs(&'a FatbinEntry),
    /// There is PTX for the GPU, the oldest of this version, and the driver is for an older CUDA.
    PtxTooNew {
        isa: (u16, u16),
        driver: CudaVersion,
        /// The newest PTX that the driver compiles.
        known: Option<(u16, u16)>,
    },
    /// A cubin that would do, were not one of the two a Jetson's.
    OnlyTegraForbids(Capability),
    /// Nothing is for this GPU.
    NoImage,
}

impl Reach<'_> {
    /// Whether a kernel starts.
    pub(crate) fn runs(&self) -> bool {
        matches!(self, Reach::Runs(_))
    }
}

/// Why no image runs, for the end of a message.
impl fmt::Display for Reach<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reach::Runs(_) | Reach::NoImage => Ok(()),
            Reach::PtxTooNew {
                isa: (major, minor),
                driver,
                known,
            } => {
                write!(
                    f,
                    ": its PTX is of version {major}.{minor}, too new for a driver of CUDA {driver}"
                )?;
                match known {
                    Some((major, minor)) => write!(f, ", which compiles up to {major}.{minor}"),
                    None => Ok(()),
                }
            }
            Reach::OnlyTegraForbids(code) => {
                write!(
                    f,
                    ": code for {code} does not run there, for one of them is a Jetson's"
                )
            }
        }
    }
}

impl Machine<'_> {
    /// The result of loading these images on a GPU; `None` where none of them is code for a GPU.
    pub(crate) fn reach<'i>(&self, images: &'i [Image], gpu: Capability) -> Option<Reach<'i>> {
        let images = || images.iter().map(|image| &image.entry);
        if !images().any(|image| image.arch != 0) {
            return None;
        }
        let best = |image: &&FatbinEntry| (image.kind == ImageKind::Cubin, image.capability());
        let running = images()
            .filter(|image| self.runs(image, gpu))
            .max_by_key(best);
        let any_driver = Machine {
            driver: None,
            ..*self
        };
        let too_new = images().filter(|image| any_driver.runs(image, gpu));
        Some(
            match (
                running,
                too_new.map(|image| image.version).min(),
                self.driver,
            ) {
                (Some(image), ..) => Reach::Runs(image),
                (None, Some(isa), Some(driver)) => Reach::PtxTooNew {
                    isa,
                    driver,
                    known: self.drivers.newest_ptx(driver),
                },
                _ => {
                    let near = images().find(|image| self.only_tegra_forbids(image, gpu));
                    let code = near.and_then(FatbinEntry::capability);
                    code.map_or(Reach::NoImage, Reach::OnlyTegraForbids)
                }
            },
        )
    }
}

fn is_ptx_compatible(code: Capability, gpu: Capability, table: &GpuTable) -> bool {
    match code.variant {
        Variant::Base => number(code) <= number(gpu),
        Variant::Architecture => number(code) == number(gpu),
        Variant::Family => {
            let one_family = code.major == gpu.major && table.is_tegra(code) == table.is_tegra(gpu);
            one_family && code.minor <= gpu.minor
        }
    }
}

fn number(capability: Capability) -> (u32, u32) {
    (capability.major, capability.minor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cuda::fatbin::Compression;

    fn image(kind: ImageKind, code: &str, version: (u16, u16)) -> FatbinEntry {
        let code: Capability = code.parse().unwrap();
        FatbinEntry {
            kind,
            arch: code.major * 10 + code.minor,
            variant: code.variant,
            version,
            flags: 0,
            offset: 0,
            payload: 0,
            size: 0,
            compressed_size: 0,
            uncompressed_size: 0,
            compression: Compression::None,
            name: None,
            part: None,
        }
    }

    fn runs(kind: ImageKind, code: &str, gpu: &str) -> bool {
        let machine = Machine {
            table: GpuTable::read().unwrap(),
            drivers: DriverVersions::read().unwrap(),
            driver: None,
        };
        machine.runs(&image(kind, code, (1, 8)), gpu.parse().unwrap())
    }

    #[test]
    fn cubins_run_on_later_minor_capabilities_of_the_desktop() {
        for (code, gpu) in [
            ("8.0", "8.0"),
            ("8.0", "8.6"),
            ("8.0", "8.9"),
            ("8.6", "8.9"),
            ("8.7", "8.7"),
            ("7.2", "7.2"),
            ("9.0a", "9.0"),
            ("10.0f", "10.3"),
            ("12.0f", "12.1"),
            ("11.0f", "11.0"),
            ("12.0", "12.1"),
        ] {
            assert!(runs(ImageKind::Cubin, code, gpu), "{code} on {gpu}");
        }
        for (code, gpu) in [
            ("8.0", "8.7"),
            ("8.6", "8.7"),
            ("8.7", "8.9"),
            ("7.0", "7.2"),
            ("7.2", "7.5"),
            ("6.1", "6.2"),
            ("5.2", "5.3"),
            ("6.0", "6.2"),
            ("10.0", "10.1"),
            ("10.0f", "10.1"),
            ("10.1", "10.3"),
            ("8.6", "8.0"),
            ("8.9", "9.0"),
            ("10.0a", "10.3"),
            ("10.3f", "10.0"),
        ] {
            assert!(!runs(ImageKind::Cubin, code, gpu), "{code} on {gpu}");
        }
    }

    #[test]
    fn ptx_compiles_for_all_that_is_newer_and_tegra_too() {
        for (code, gpu) in [
            ("8.0", "8.7"),
            ("7.0", "12.1"),
            ("9.0a", "9.0"),
            ("10.0f", "10.3"),
        ] {
            assert!(runs(ImageKind::Ptx, code, gpu), "{code} on {gpu}");
        }
        for (code, gpu) in [
            ("9.0a", "10.0"),
            ("10.0f", "12.0"),
            ("9.0", "8.9"),
            ("10.0f", "10.1"),
        ] {
            assert!(!runs(ImageKind::Ptx, code, gpu), "{code} on {gpu}");
        }
        assert!(!runs(ImageKind::LtoIr, "8.0", "8.0"));
    }

    #[test]
    fn ptx_that_is_too_new_for_the_driver_runs_nowhere() {
        let (table, drivers) = (GpuTable::read().unwrap(), DriverVersions::read().unwrap());
        let on = |driver: &str, version| {
            let machine = Machine {
                table,
                drivers,
                driver: Some(driver.parse().unwrap()),
            };
            machine.runs(
                &image(ImageKind::Ptx, "8.0", version),
                "9.0".parse().unwrap(),
            )
        };
        assert!(on("13.5", (9, 5)) && on("13.0", (9, 0)) && on("13.0", (7, 0)));
        assert!(!on("13.0", (9, 5)) && !on("12.8", (8, 8)));
    }
}

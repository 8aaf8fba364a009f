//! The GPUs, by the kernel module, nvidia-smi and libcuda.so.1.

use super::{DriverCall, Platform, Smi, Where};
use crate::cuda::Capability;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Gpu {
    /// `NVIDIA H100 80GB HBM3`
    pub name: String,
    /// `0000:00:06.0`; none of an integrated one.
    pub bus: Option<String>,
    /// Its compute capability, if known.
    pub capability: Option<Capability>,
}

/// Integrated GPUs by the name of their chip in the device tree, with where that is written.
const TEGRA: [(&str, &str, &str); 5] = [
    (
        "tegra210",
        "5.3",
        "Linux, arch/arm64/boot/dts/nvidia/tegra210.dtsi; CUDA GPUs: Jetson Nano, TX1 5.3",
    ),
    (
        "tegra186",
        "6.2",
        "Linux, arch/arm64/boot/dts/nvidia/tegra186.dtsi; CUDA GPUs: Jetson TX2 6.2",
    ),
    (
        "tegra194",
        "7.2",
        "Linux, arch/arm64/boot/dts/nvidia/tegra194.dtsi; CUDA GPUs: Jetson AGX Xavier 7.2",
    ),
    (
        "tegra234",
        "8.7",
        "Linux, arch/arm64/boot/dts/nvidia/tegra234.dtsi; CUDA GPUs: Jetson AGX Orin 8.7",
    ),
    (
        "tegra264",
        "11.0",
        "Linux, arch/arm64/boot/dts/nvidia/tegra264.dtsi; CUDA GPUs: Jetson T5000 11.0",
    ),
];

pub(super) fn read(place: &Where<'_>, smi: &Smi, call: Option<&DriverCall>) -> Vec<Gpu> {
    let mut gpus: Vec<Gpu> = Vec::new();
    for bus in place.names("/proc/driver/nvidia/gpus") {
        let file = format!("/proc/driver/nvidia/gpus/{bus}/information");
        let text = place.text(&file).unwrap_or_default();
        let model = text.lines().find_map(|line| line.strip_prefix("Model:"));
        gpus.push(Gpu {
            name: model.map_or("unknown", str::trim).to_owned(),
            capability: None,
            bus: Some(bus),
        });
    }
    for known in &smi.gpus {
        let same = |gpu: &&mut Gpu| match (&gpu.bus, &known.bus) {
            // nvidia-smi writes the domain with eight digits, the kernel with four.
            (Some(a), Some(b)) => b.to_ascii_lowercase().ends_with(&a.to_ascii_lowercase()),
            _ => false,
        };
        match gpus.iter_mut().find(same) {
            Some(gpu) => gpu.capability = known.capability,
            // In WSL, /proc has no entries.
            None => gpus.push(known.clone()),
        }
    }
    let answer = call.and_then(|call| call.answer());
    for device in answer.into_iter().flat_map(|answer| &answer.devices) {
        let same = |gpu: &&mut Gpu| {
            let bus = gpu.bus.as_ref().map(|bus| bus.to_ascii_lowercase());
            bus.is_some_and(|bus| bus.ends_with(&device.bus))
        };
        if let Some(gpu) = gpus.iter_mut().find(same) {
            gpu.capability = gpu.capability.or(Some(device.capability));
        } else if smi.gpus.is_empty() {
            gpus.push(Gpu {
                name: "a GPU".to_owned(),
                bus: Some(device.bus.clone()),
                capability: Some(device.capability),
            });
        }
    }
    if gpus.is_empty()
        && let Platform::Jetson { chip: Some(chip) } = Platform::of(place)
        && let Some((_, capability, _)) = TEGRA.iter().find(|(name, ..)| *name == chip)
    {
        gpus.push(Gpu {
            name: format!("integrated GPU of {chip}"),
            bus: None,
            capability: capability.parse().ok(),
        });
    }
    gpus
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_chip_has_a_capability_and_a_source() {
        for (chip, capability, source) in TEGRA {
            assert!(capability.parse::<Capability>().is_ok(), "{chip}");
            assert!(source.contains(chip), "{chip}");
        }
    }
}

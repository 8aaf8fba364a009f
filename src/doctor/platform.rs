//! The kind of the system, which determines the source of the driver and so the advice.

use super::Where;
use std::fmt;

/// A system, by how it gets its driver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Platform {
    /// The driver's libraries are behind /run/opengl-driver.
    NixOs,
    /// Windows has the driver; its libraries are in /usr/lib/wsl/lib.
    Wsl,
    /// An integrated GPU, whose driver comes with the board's system. `chip` is `tegra234`.
    Jetson {
        /// The chip, where the device tree names it.
        chip: Option<String>,
    },
    /// Any other Linux, by the ID of its os-release: `debian`.
    Linux {
        /// ID of os-release.
        id: Option<String>,
    },
}

impl Platform {
    pub(super) fn of(place: &Where<'_>) -> Platform {
        let release = place.text("/etc/os-release").unwrap_or_default();
        let id = release.lines().find_map(|line| {
            let id = line.strip_prefix("ID=")?;
            Some(id.trim_matches(['"', '\'']).to_owned())
        });
        let kernel = place.text("/proc/sys/kernel/osrelease").unwrap_or_default();
        if place.path("/dev/dxg").exists() || kernel.to_ascii_lowercase().contains("microsoft") {
            return Platform::Wsl;
        }
        let compatible = place
            .text("/proc/device-tree/compatible")
            .unwrap_or_default();
        let mut chips = compatible
            .split('\0')
            .filter_map(|name| name.strip_prefix("nvidia,"));
        let chip = chips
            .find(|name| name.starts_with("tegra"))
            .map(str::to_owned);
        if chip.is_some() || place.path("/etc/nv_tegra_release").exists() {
            return Platform::Jetson { chip };
        }
        if id.as_deref() == Some("nixos") || place.path("/etc/NIXOS").exists() {
            return Platform::NixOs;
        }
        Platform::Linux { id }
    }

    /// The word for `--json`.
    pub(crate) fn key(&self) -> &'static str {
        match self {
            Platform::NixOs => "nixos",
            Platform::Wsl => "wsl",
            Platform::Jetson { .. } => "jetson",
            Platform::Linux { .. } => "linux",
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Platform::NixOs => f.write_str("NixOS"),
            Platform::Wsl => f.write_str("Windows Subsystem for Linux"),
            Platform::Jetson { chip: Some(chip) } => write!(f, "Jetson ({chip})"),
            Platform::Jetson { chip: None } => f.write_str("Jetson"),
            Platform::Linux { id: Some(id) } => write!(f, "Linux ({id})"),
            Platform::Linux { id: None } => f.write_str("Linux"),
        }
    }
}

/// Runtime that started the container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Container {
    /// Docker leaves /.dockerenv.
    Docker,
    /// Podman leaves /run/.containerenv.
    Podman,
    /// A pod has its service account's token.
    Kubernetes,
    /// systemd-nspawn and others, named in /run/systemd/container.
    Other,
}

impl Container {
    pub(super) fn of(place: &Where<'_>) -> Option<Container> {
        if place.path("/var/run/secrets/kubernetes.io").exists() {
            Some(Container::Kubernetes)
        } else if place.path("/run/.containerenv").exists() {
            Some(Container::Podman)
        } else if place.path("/.dockerenv").exists() {
            Some(Container::Docker)
        } else {
            place
                .text("/run/systemd/container")
                .map(|_| Container::Other)
        }
    }

    /// The word for reports.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Container::Docker => "docker",
            Container::Podman => "podman",
            Container::Kubernetes => "kubernetes",
            Container::Other => "other",
        }
    }
}

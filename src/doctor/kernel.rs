//! The driver's part in the kernel, and the device files that programs open.

use super::Where;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

/// Vendor of NVIDIA on the PCI bus.
const NVIDIA: &str = "0x10de";

#[derive(Debug)]
pub(crate) struct Kernel {
    /// Version of the loaded module: `580.159.04`.
    pub module: Option<String>,
    /// Display controllers of NVIDIA on the PCI bus, with or without a driver.
    pub pci: usize,
    /// /dev/nvidiactl, /dev/nvidia-uvm and a file a GPU; on WSL /dev/dxg.
    pub devices: Vec<DeviceFile>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DeviceFile {
    /// As seen inside the root.
    pub path: String,
    /// Whether this user can open it.
    pub state: DeviceState,
}

/// Result of opening a device file for reading and writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DeviceState {
    Opens,
    /// It is not there.
    Missing,
    /// It is there, and this user may not.
    Denied,
    /// It is there, and the kernel refuses: ENXIO or EIO where no module serves it.
    Refused,
}

impl DeviceState {
    /// The word for reports.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            DeviceState::Opens => "opens",
            DeviceState::Missing => "missing",
            DeviceState::Denied => "permission denied",
            DeviceState::Refused => "does not open",
        }
    }
}

impl Kernel {
    pub(super) fn read(place: &Where<'_>) -> Kernel {
        let mut names = vec!["nvidiactl".to_owned(), "nvidia-uvm".to_owned()];
        let dev = place.names("/dev");
        if dev.iter().any(|name| name == "dxg") {
            names = vec!["dxg".to_owned()];
        } else if dev
            .iter()
            .any(|name| name == "nvmap" || name == "nvhost-gpu")
        {
            // Tegra's integrated GPU has different device files.
            names = vec!["nvmap".to_owned()];
        }
        names.extend(dev.into_iter().filter(|name| is_gpu(name)));
        let devices = names.into_iter().map(|name| {
            let path = format!("/dev/{name}");
            let state = opens(place.path(&path));
            DeviceFile { path, state }
        });
        Kernel {
            module: module(place),
            pci: pci(place),
            devices: devices.collect(),
        }
    }
}

/// `nvidia0`
fn is_gpu(name: &str) -> bool {
    let number = name.strip_prefix("nvidia");
    number.is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
}

/// `NVRM version: NVIDIA UNIX … Module for x86_64  580.159.04  Release Build …`
fn module(place: &Where<'_>) -> Option<String> {
    let text = place
        .text("/proc/driver/nvidia/version")
        .unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("NVRM version"));
    let named = line.and_then(|line| line.split_whitespace().find(|word| is_version(word)));
    let named = named.map(str::to_owned);
    named.or_else(|| {
        place
            .text("/sys/module/nvidia/version")
            .filter(|v| is_version(v))
    })
}

/// Two or three numbers with points, the first of three digits: `535.261.03`.
pub(super) fn is_version(word: &str) -> bool {
    let mut parts = word.split('.');
    let first = parts.next().is_some_and(|p| p.len() == 3);
    first && word.contains('.') && word.bytes().all(|b| b.is_ascii_digit() || b == b'.')
}

fn pci(place: &Where<'_>) -> usize {
    let devices = place.names("/sys/bus/pci/devices");
    let text = |name: &str, file: &str| {
        place
            .text(&format!("/sys/bus/pci/devices/{name}/{file}"))
            .unwrap_or_default()
    };
    // 0x0300: VGA, 0x0302: 3D controller.
    let is_display =
        |name: &&String| text(name, "vendor") == NVIDIA && text(name, "class").starts_with("0x03");
    devices.iter().filter(is_display).count()
}

fn opens(path: PathBuf) -> DeviceState {
    let mut options = OpenOptions::new();
    options.read(true).write(true).custom_flags(nonblocking());
    match options.open(path) {
        Ok(_) => DeviceState::Opens,
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound => DeviceState::Missing,
            io::ErrorKind::PermissionDenied => DeviceState::Denied,
            _ => DeviceState::Refused,
        },
    }
}

/// Flags of open(2): a FIFO in the place of a device file or of a file of /proc must not stop us.
pub(super) fn nonblocking() -> i32 {
    rustix::fs::OFlags::NONBLOCK.bits() as i32
}

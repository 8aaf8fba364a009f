//! Faults of a machine and their remedies. Pure: reads a [`Machine`] only.

use super::{Container, DeviceFile, DeviceState, Machine, Platform};

/// Severity of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Severity {
    /// CUDA works; some programs need to know.
    Note,
    Warning,
    /// No CUDA program works.
    Error,
}

impl Severity {
    /// The word for reports.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }
}

/// Something wrong, and the way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// A name for machines: `module-missing`.
    pub code: &'static str,
    /// Severity of the finding.
    pub severity: Severity,
    /// The expected and the actual state.
    pub what: String,
    pub help: String,
}

impl Machine {
    /// Everything that is wrong, the worst first.
    pub(crate) fn findings(&self) -> Vec<Finding> {
        let mut found = Vec::new();
        self.check_module(&mut found);
        self.check_devices(&mut found);
        self.check_smi(&mut found);
        self.check_libraries(&mut found);
        self.check_versions(&mut found);
        self.check_variables(&mut found);
        self.check_compat(&mut found);
        self.check_call(&mut found);
        found.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        found
    }

    /// Whether a kernel module of NVIDIA's is the driver here; WSL and Jetson have none of that name.
    fn has_module(&self) -> bool {
        self.kernel.module.is_some()
    }

    fn check_module(&self, found: &mut Vec<Finding>) {
        if self.has_module() || matches!(self.platform, Platform::Wsl | Platform::Jetson { .. }) {
            return;
        }
        let on_host = self.container.is_some();
        let (code, what, help) = match (self.kernel.pci, on_host) {
            (0, _) => (
                "gpu-missing",
                "no NVIDIA GPU: none is on the PCI bus, and no kernel module is loaded".to_owned(),
                match on_host {
                    true => "look on the host: `lspci -d 10de:`, `cat /proc/driver/nvidia/version`",
                    false => {
                        "look for it: `lspci -d 10de:`; a virtual machine needs it passed through"
                    }
                },
            ),
            (n, false) => (
                "module-missing",
                format!(
                    "the NVIDIA kernel module is not loaded, but {}",
                    gpus_on_bus(n)
                ),
                match self.platform {
                    Platform::NixOs => {
                        "set `services.xserver.videoDrivers = [ \"nvidia\" ]` and rebuild; \
                                        then `sudo modprobe nvidia && sudo dmesg | grep -i nvidia`"
                    }
                    _ => {
                        "run `sudo modprobe nvidia && sudo dmesg | grep -iE 'nvidia|nouveau'`; after a \
                          kernel update the module has to be built again (`dkms status`)"
                    }
                },
            ),
            (n, true) => (
                "module-missing",
                format!(
                    "the host's NVIDIA kernel module is not loaded, but {}",
                    gpus_on_bus(n)
                ),
                "on the host, run `sudo modprobe nvidia && nvidia-smi`",
            ),
        };
        found.push(Finding {
            code,
            severity: Severity::Error,
            what,
            help: help.to_owned(),
        });
    }

    fn check_devices(&self, found: &mut Vec<Finding>) {
        if !self.has_module() && self.platform != Platform::Wsl {
            return;
        }
        let in_state = |state| {
            let devices = self.kernel.devices.iter().filter(move |d| d.state == state);
            devices
                .map(|d: &DeviceFile| d.path.as_str())
                .collect::<Vec<_>>()
        };
        let missing = in_state(DeviceState::Missing);
        if !missing.is_empty() {
            found.push(Finding {
                code: "device-missing",
                severity: Severity::Error,
                what: format!("the kernel module is loaded, but there is no {}", missing.join(", ")),
                help: match self.container {
                    Some(Container::Docker) => "start the container with `docker run --gpus all …` \
                        (needs the NVIDIA Container Toolkit on the host)".to_owned(),
                    Some(Container::Podman) => "start the container with \
                        `podman run --device nvidia.com/gpu=all …` (needs the NVIDIA Container Toolkit's CDI file)".to_owned(),
                    Some(Container::Kubernetes) => "give the pod a limit `nvidia.com/gpu: 1`, served by \
                        NVIDIA's device plugin".to_owned(),
                    Some(Container::Other) => format!("pass the device files into the container: {}", missing.join(" ")),
                    None => "run `sudo nvidia-modprobe -u -c=0`, which makes the device files".to_owned(),
                },
            });
        }
        let denied = in_state(DeviceState::Denied);
        if let Some(first) = denied.first() {
            found.push(Finding {
                code: "device-denied",
                severity: Severity::Error,
                what: format!("this user may not open {}", denied.join(", ")),
                help: format!(
                    "see who may: `ls -l {first}`; add yourself to that group \
                     (`sudo usermod -aG video,render $USER`, then log in again)"
                ),
            });
        }
        let refused = in_state(DeviceState::Refused);
        if !refused.is_empty() {
            found.push(Finding {
                code: "device-refused",
                severity: Severity::Error,
                what: format!(
                    "{} is there, but the kernel does not open it",
                    refused.join(", ")
                ),
                help:
                    "run `sudo dmesg | grep -i -e nvrm -e xid`; if the GPU fell off the bus, reboot"
                        .to_owned(),
            });
        }
    }

    fn check_smi(&self, found: &mut Vec<Finding>) {
        let (Some(program), Some(error)) = (&self.smi.program, &self.smi.error) else {
            return;
        };
        let mismatch = error.contains("version mismatch");
        // That nothing answers without a module or device file is said already.
        if !mismatch
            && found
                .iter()
                .any(|finding| finding.severity == Severity::Error)
        {
            return;
        }
        found.push(Finding {
            code: "nvidia-smi-fails",
            severity: Severity::Error,
            what: format!("{} says: {error}", crate::escape::shown(program)),
            help: if mismatch {
                "the driver's libraries were updated while its old kernel module is loaded: reboot"
                    .to_owned()
            } else {
                "run `sudo dmesg | grep -i -e nvrm -e xid` for the kernel's own words".to_owned()
            },
        });
    }

    fn check_libraries(&self, found: &mut Vec<Finding>) {
        let real = self
            .libraries
            .copies
            .iter()
            .find(|copy| !copy.stub && !copy.compat);
        let copy = self.libraries.default_copy();
        if let Some(stub) = copy.filter(|copy| copy.stub) {
            found.push(Finding {
                code: "stub-found",
                severity: Severity::Error,
                what: format!("programs get {}, a stub that can only be linked to", stub.path),
                help: "take its directory out of LD_LIBRARY_PATH or /etc/ld.so.conf.d: `unset LD_LIBRARY_PATH`, \
                       `sudo ldconfig`".to_owned(),
            });
        } else if copy.is_none() && real.is_none() && (self.has_module() || self.kernel.pci > 0) {
            found.push(Finding {
                code: "libcuda-missing",
                severity: Severity::Error,
                what: "libcuda.so.1 is in none of the directories where drivers put it".to_owned(),
                help: self.how_to_install(),
            });
        } else if let (None, Some(real)) = (copy, real) {
            let dir = real.path.rsplit_once('/').map_or("/", |(dir, _)| dir);
            found.push(Finding {
                code: "libcuda-not-default",
                severity: match self.platform {
                    Platform::NixOs => Severity::Note,
                    _ => Severity::Warning,
                },
                what: format!(
                    "{} is found only through {dir} in RUNPATH or LD_LIBRARY_PATH",
                    real.path
                ),
                help: format!("run `cuda-fixup fixup --driver-link {dir} PROGRAM`, or `LD_LIBRARY_PATH={dir} PROGRAM`"),
            });
        }
    }

    fn how_to_install(&self) -> String {
        match (&self.platform, self.container) {
            (_, Some(Container::Docker)) => {
                "start the container with `docker run --gpus all …`, and with \
                `NVIDIA_DRIVER_CAPABILITIES=compute,utility`"
                    .to_owned()
            }
            (_, Some(_)) => {
                "mount the host's driver libraries with the NVIDIA Container Toolkit".to_owned()
            }
            (Platform::NixOs, None) => "set `hardware.graphics.enable = true` and \
                `services.xserver.videoDrivers = [ \"nvidia\" ]`, and rebuild"
                .to_owned(),
            (Platform::Wsl, None) => {
                "install NVIDIA's driver in Windows; in Linux none is installed".to_owned()
            }
            (Platform::Jetson { .. }, None) => {
                "install the board's `nvidia-l4t-cuda` package".to_owned()
            }
            (Platform::Linux { id }, None) => match id.as_deref() {
                Some("debian") => {
                    "run `sudo apt-get install nvidia-driver libcuda1` (component non-free)"
                        .to_owned()
                }
                Some("ubuntu") => "run `sudo ubuntu-drivers install --gpgpu`".to_owned(),
                _ => "install the driver's compute libraries of your distribution".to_owned(),
            },
        }
    }

    fn check_versions(&self, found: &mut Vec<Finding>) {
        let (Some(module), Some(copy)) = (&self.kernel.module, self.libraries.default_copy())
        else {
            return;
        };
        if let Some(version) = &copy.version
            && version != module
            && !copy.compat
        {
            found.push(Finding {
                code: "driver-mismatch",
                severity: Severity::Error,
                what: format!("{} is of driver {version}, the kernel module of {module}", copy.path),
                help: "both have to be of one driver: reboot after an update, and remove what another \
                       installer left (`sudo ldconfig -p | grep libcuda.so.1`)".to_owned(),
            });
        }
        if !copy.stub && !copy.compiles_ptx {
            found.push(Finding {
                code: "ptx-compiler-missing",
                severity: Severity::Warning,
                what: format!(
                    "{} does not find libnvidia-ptxjitcompiler.so.1: programs without a cubin for this GPU end \
                     with \"PTX JIT compiler library not found\"",
                    copy.path
                ),
                help: format!(
                    "install it beside {}, or in a container add `NVIDIA_DRIVER_CAPABILITIES=compute`",
                    copy.path
                ),
            });
        }
    }

    fn check_variables(&self, found: &mut Vec<Finding>) {
        for (name, value) in &self.variables {
            let hides = match *name {
                "CUDA_VISIBLE_DEVICES" => {
                    let first = value.split(',').next().unwrap_or_default().trim();
                    first.is_empty()
                        || first.parse::<i64>().is_ok_and(|n| {
                            n < 0 || (!self.gpus.is_empty() && n as usize >= self.gpus.len())
                        })
                }
                "NVIDIA_VISIBLE_DEVICES" => matches!(value.as_str(), "none" | "void"),
                _ => false,
            };
            if hides {
                found.push(Finding {
                    code: "gpus-hidden",
                    severity: Severity::Error,
                    what: format!(
                        "{name}={value} hides every GPU: \"no CUDA-capable device is detected\""
                    ),
                    help: match *name {
                        "CUDA_VISIBLE_DEVICES" => "run `unset CUDA_VISIBLE_DEVICES`".to_owned(),
                        _ => "start the container with NVIDIA_VISIBLE_DEVICES=all".to_owned(),
                    },
                });
            }
        }
    }

    fn check_compat(&self, found: &mut Vec<Finding>) {
        let (Some(driver), Some(copy)) = (self.driver_cuda(), self.libraries.default_copy()) else {
            return;
        };
        let newer = self.libraries.copies.iter().find(|other| {
            other.compat && !copy.compat && other.cuda.is_some_and(|cuda| cuda > driver)
        });
        if let Some(compat) = newer
            && let Some(cuda) = compat.cuda
        {
            let dir = compat.path.rsplit_once('/').map_or("/", |(dir, _)| dir);
            found.push(Finding {
                code: "compat-available",
                severity: Severity::Note,
                what: format!(
                    "the driver runs CUDA {driver}; {} brings CUDA {cuda} to data-center GPUs",
                    compat.path
                ),
                help: format!("run `LD_LIBRARY_PATH={dir} PROGRAM`"),
            });
        }
    }
}

fn gpus_on_bus(n: usize) -> String {
    match n {
        1 => "an NVIDIA GPU is on the PCI bus".to_owned(),
        n => format!("{n} NVIDIA GPUs are on the PCI bus"),
    }
}

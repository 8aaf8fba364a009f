//! Advice about the packages that contain a missing library: the driver's, CUDA's, the system's.

use super::{Advice, Bundle, Distribution, Near, System, cuda, shown, word};
use crate::cuda::Soname;

pub(super) fn driver_library(advice: &mut Advice, name: &[u8], near: &Near) {
    let name = shown(name);
    let here = match near.driver_runs {
        true => "the kernel driver runs here",
        false => "no driver runs here",
    };
    advice.note(format!(
        "{name} comes with NVIDIA's driver, never with a CUDA toolkit or a wheel; {here}"
    ));
    if let Some((note, help)) = near.bundle.and_then(confined) {
        advice.note(note.to_owned());
        advice.help(help.to_owned());
        return;
    }
    advice.help(match near.system {
        System::Nixos => "set `hardware.graphics.enable` and `services.xserver.videoDrivers = \
             [ \"nvidia\" ]`; programs find it in /run/opengl-driver/lib, which fixup adds"
            .to_owned(),
        System::Container => "start the container with `--gpus all` (NVIDIA Container Toolkit), \
             which brings the host's driver in"
            .to_owned(),
        System::Wsl => match &near.file {
            Some(file) if word(file).is_some() => format!(
                "the driver of Windows is in /usr/lib/wsl/lib: `cuda-fixup fixup --lib \
                 /usr/lib/wsl/lib {}`",
                word(file).unwrap_or_default()
            ),
            _ => "the driver of Windows is in /usr/lib/wsl/lib".to_owned(),
        },
        System::Jetson => "install it with JetPack: `apt install nvidia-l4t-cuda`".to_owned(),
        System::Debian => {
            let package = match name.to_string().as_str() {
                text if text.starts_with("libnvidia-ml.so") => "libnvidia-ml1",
                text if text.starts_with("libcuda.so") => "libcuda1",
                _ => "nvidia-driver",
            };
            format!("install the driver: `apt install {package}` (Debian, section non-free)")
        }
        System::Other => "install NVIDIA's driver by the system's package".to_owned(),
    });
}

/// How a confined application gets the driver of the host.
fn confined(bundle: Bundle) -> Option<(&'static str, &'static str)> {
    match bundle {
        Bundle::Flatpak => Some((
            "an application of Flatpak doesn't see the host's driver: Flatpak brings the same \
             version as an extension",
            "install the extension of the host's driver (/sys/module/nvidia/version), with hyphens \
             for the dots: `flatpak install flathub org.freedesktop.Platform.GL.nvidia-VERSION`",
        )),
        Bundle::Snap => Some((
            "a confined snap sees the host's driver through the interface opengl only",
            "install the driver on the host and connect the interface: `snap connect NAME:opengl`",
        )),
        Bundle::Conda => None,
    }
}

/// Attributes of nixpkgs whose package has the same name in conda-forge, `-` for `_`.
const ALSO_CONDA: [&str; 15] = [
    "cuda_cudart",
    "cuda_cupti",
    "cuda_nvrtc",
    "cudnn",
    "libcublas",
    "libcufft",
    "libcufile",
    "libcurand",
    "libcusolver",
    "libcusparse",
    "libnpp",
    "libnvfatbin",
    "libnvjitlink",
    "libnvjpeg",
    "nccl",
];

/// Of CUDA: from the table.
pub(super) fn cuda_library(advice: &mut Advice, name: &[u8], source: cuda::Source, near: &Near) {
    let name = shown(name);
    if source.wheels.is_empty() {
        advice.note(format!(
            "{name} is CUDA's, of a version that no package known here has"
        ));
        advice.help(
            "install that version from NVIDIA's archive and give its directory to `fixup --lib`, or \
             take a build of the program for newer libraries"
                .to_owned(),
        );
        return;
    }
    let wheels = source.wheels.join(" or ");
    let mut places = vec![format!("the wheel {wheels}")];
    places.extend(source.debian.map(|p| format!("Debian's package {p}")));
    places.push(format!("nixpkgs' cudaPackages.{}", source.nixpkgs));
    advice.note(format!("{name} is CUDA's: it is in {}", places.join(", ")));
    if near.bundle == Some(Bundle::Conda) && ALSO_CONDA.contains(&source.nixpkgs) {
        let package = source.nixpkgs.replace('_', "-");
        advice.help(format!(
            "install it into this conda environment: `conda install -c conda-forge {package}`"
        ));
        return;
    }
    if let Some(wheel) = source
        .wheels
        .first()
        .and_then(|wheel| word(wheel.as_bytes()))
    {
        advice.help(format!(
            "install it, `pip install {wheel}`, and give its directory to `fixup --lib`"
        ));
    }
}

/// A library of the system's packages, by the rules of the distribution.
pub(super) fn system_library(advice: &mut Advice, name: &[u8], near: &Near) {
    for package in &near.nixpkgs {
        advice.help(format!(
            "nixpkgs has it: `nix-build '<nixpkgs>' -A {package}`"
        ));
    }
    let soname = Soname::parse(name);
    if soname.is_some_and(|soname| soname.renamed) {
        advice.note(format!(
            "{} has a name that auditwheel gave it: it comes inside a wheel, in the directory \
             NAME.libs beside the package",
            shown(name)
        ));
        advice.help("install that wheel again: `pip install --force-reinstall NAME`".to_owned());
        return;
    }
    let Some(name) = word(name).filter(|_| memchr::memmem::find(name, b".so").is_some()) else {
        return;
    };
    let bits = if near.wide { "()(64bit)" } else { "" };
    let command = match near.distribution {
        Distribution::Debian => match near.debian.as_deref() {
            Some(package) => {
                advice.help(format!(
                    "by Debian's rule for names it is in {package}: `apt install {package}`"
                ));
                return;
            }
            None => format!("apt-file search /{name}"),
        },
        Distribution::Fedora => format!("dnf install '{name}{bits}'"),
        Distribution::Suse => format!("zypper install '{name}{bits}'"),
        Distribution::Alpine => format!("apk add so:{name}"),
        Distribution::Arch => format!("pacman -F {name}"),
        Distribution::Nixos if near.nixpkgs.is_empty() => {
            format!("nix-locate --whole-name --at-root /lib/{name}")
        }
        Distribution::Nixos | Distribution::Other => return,
    };
    let asks = matches!(
        near.distribution,
        Distribution::Debian | Distribution::Arch | Distribution::Nixos
    );
    advice.help(match asks {
        true => format!("ask which package has it: `{command}`"),
        false => format!("install the package that has it: `{command}`"),
    });
}

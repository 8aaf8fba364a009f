//! Advice about the packages that contain a missing library: the driver's, CUDA's, the system's.

use super::{
    Advice, Bundle, Distribution, Near, NearFile, System, append_below_root, append_entry, cuda,
    replace_needed, shown, word,
};
use crate::cuda::Soname;

pub(super) fn driver_library(advice: &mut Advice, name: &[u8], near: &Near) {
    let name = shown(name);
    let here = match near.driver_runs {
        Some(true) => "; the kernel driver runs here",
        Some(false) => "; no driver runs here",
        None => "",
    };
    advice.note(format!(
        "{name} comes with NVIDIA's driver, never with a CUDA toolkit or a wheel{here}"
    ));
    if near.files.iter().any(NearFile::is_the_library) {
        if near.system == System::Jetson {
            advice.help(
                "or make the cache again, as root on the board: `ldconfig`, whose configuration \
                 names the driver's directory"
                    .to_owned(),
            );
        }
        return;
    }
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
        System::Wsl => {
            let what = "the driver of Windows is in /usr/lib/wsl/lib";
            let add = match near.other_root {
                true => append_below_root,
                false => append_entry,
            };
            let file = near.file.as_deref();
            match file.and_then(|file| add(b"/usr/lib/wsl/lib", file)) {
                Some(command) => format!("{what}: {command}"),
                None => what.to_owned(),
            }
        }
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
    if let Some(slash) = name.iter().rposition(|&byte| byte == b'/') {
        let file = near.file.as_deref();
        let by_name = file.and_then(|file| replace_needed(name, &name[slash + 1..], file));
        let help = by_name.map(|command| format!("let it be searched by its name: {command}"));
        advice.helps.extend(help);
        return;
    }
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
    let bits: &[u8] = if near.wide { b"()(64bit)" } else { b"" };
    let library = memchr::memmem::find(name, b".so").is_some();
    let (Some(name), Some(provided)) = (word(name), word(&[name, bits].concat())) else {
        return;
    };
    if !library {
        return;
    }
    if near.nix_ld.is_some() {
        advice.help(
            "add the package that has it to programs.nix-ld.libraries in NixOS's configuration"
                .to_owned(),
        );
    }
    let command = match near.distribution {
        Distribution::Debian => debian_command(name, near),
        Distribution::Fedora => format!("dnf install {provided}"),
        Distribution::Suse => format!("zypper install {provided}"),
        Distribution::Alpine => format!("apk add so:{name}"),
        Distribution::Arch => format!("pacman -Fy {name}"),
        Distribution::Nixos if !near.nixpkgs.is_empty() => return,
        Distribution::Nixos => nix_locate(&name, near),
        Distribution::Other => return,
    };
    let what = match (near.distribution, &near.debian) {
        (Distribution::Debian, Some(package)) => {
            format!("by Debian's rule for names it is in {package}")
        }
        (Distribution::Debian | Distribution::Arch | Distribution::Nixos, _) => {
            "ask which package has it".to_owned()
        }
        _ => "install the package that has it".to_owned(),
    };
    advice.help(format!("{what}: `{command}`"));
}

/// Installs the package, or searches for it.
fn debian_command(name: String, near: &Near) -> String {
    match (&near.debian, near.debian_architecture) {
        (Some(package), None) => format!("apt install {package}"),
        (Some(package), Some(other)) if other.added => {
            format!("apt install {package}:{}", other.name)
        }
        (Some(package), Some(other)) => {
            let other = other.name;
            format!(
                "dpkg --add-architecture {other} && apt update && apt install {package}:{other}"
            )
        }
        (None, _) if near.searches_packages => format!("apt-file search /{name}"),
        (None, _) => format!(
            "apt update && apt install apt-file && apt-file update && apt-file search /{name}"
        ),
    }
}

/// Searches nixpkgs; without an index of it, that is made first.
fn nix_locate(name: &str, near: &Near) -> String {
    let locate = format!("nix-locate --whole-name --at-root /lib/{name}");
    match near.searches_packages || name.starts_with('\'') {
        true => locate,
        false => format!("nix-shell -p nix-index --run \"nix-index && {locate}\""),
    }
}

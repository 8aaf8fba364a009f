//! Advice about the interpreter of a program, its dynamic loader.

use super::{Advice, Distribution, Near, Remedy, command, shown, word};

/// It is missing.
pub(super) fn missing(advice: &mut Advice, path: &[u8], near: &Near) {
    advice.note(format!(
        "the interpreter {} is missing: a shell says \"No such file or directory\" of the program",
        shown(path)
    ));
    take_another(advice, path, near);
}

/// Something else is in its place.
pub(super) fn unknown(advice: &mut Advice, path: &[u8], near: &Near) {
    let shown = shown(path);
    if near.nixos_stub {
        advice.note(format!(
            "{shown} is NixOS's message in place of a loader: \"NixOS cannot run dynamically linked \
             executables intended for generic linux environments out of the box\""
        ));
    } else if let Some(loader) = &near.nix_ld {
        advice.note(format!(
            "{shown} is nix-ld, and the loader that it starts, {}, is not there",
            super::shown(loader)
        ));
    } else {
        advice.note(format!(
            "{shown} is no loader of glibc or musl that is known here: what it would find is unknown"
        ));
    }
    take_another(advice, path, near);
    if near.nixos_stub || near.nix_ld.is_some() {
        advice.help(
            "or let NixOS start such programs: programs.nix-ld.enable = true in its configuration"
                .to_owned(),
        );
    }
}

fn take_another(advice: &mut Advice, path: &[u8], near: &Near) {
    if let Some(machine) = &near.foreign {
        advice.note(format!("the program is for {machine}, this machine is not"));
        advice.help(format!(
            "take the build for this machine, or run it in an emulator (qemu-user) with the libraries \
             of a system for {machine}"
        ));
        return;
    }
    if let Some(there) = near.interpreters.first()
        && let (Some(word), Some(file)) = (word(there), near.file.as_deref())
        && let Some(command) = match near.other_root {
            true => command(&format!("patchelf --set-interpreter {word}"), file),
            false => command(&format!("fixup --interpreter {word}"), file),
        }
    {
        advice.help(format!("use the one that is there: {command}"));
        advice.remedies.push(Remedy::Interpreter(there.clone()));
        return;
    }
    let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
    match package(name, near.distribution) {
        Some((what, command)) => advice.help(format!("install {what}: `{command}`")),
        None => {
            advice.help("this system has no loader for the program's machine and libc".to_owned())
        }
    }
}

/// The package with the loader of this name, and the command that installs it.
fn package(name: &[u8], distribution: Distribution) -> Option<(&'static str, &'static str)> {
    let musl = name.starts_with(b"ld-musl-");
    let i386 = name == b"ld-linux.so.2" || name == b"ld-musl-i386.so.1";
    Some(match (distribution, musl, i386) {
        (Distribution::Debian, false, true) => (
            "the 32-bit libc",
            "dpkg --add-architecture i386 && apt update && apt install libc6:i386",
        ),
        (Distribution::Debian, true, false) => ("musl", "apt install musl"),
        (Distribution::Fedora, false, true) => ("the 32-bit libc", "dnf install glibc.i686"),
        (Distribution::Suse, false, true) => ("the 32-bit libc", "zypper install glibc-32bit"),
        (Distribution::Arch, false, true) => {
            ("the 32-bit libc (multilib)", "pacman -S lib32-glibc")
        }
        (Distribution::Arch, true, false) => ("musl", "pacman -S musl"),
        (Distribution::Alpine, false, false) => (
            "gcompat, which has most of glibc's interface over musl",
            "apk add gcompat",
        ),
        _ => return None,
    })
}

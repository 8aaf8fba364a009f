//! Programs on systems that are not this one's kind: NixOS with its stub or nix-ld in the place of a
//! loader, an unpacked AppImage, a Jetson, a container without a driver. Cause, remedy, and that the
//! remedy works.

use super::workshop::{BINARY, Workshop};
use std::fs;
use std::os::unix::fs::symlink;
use std::process::{Command, Output};

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Runs the command behind the first help that has one of this program.
fn remedy(shop: &Workshop, report: &str) {
    let helps = report.lines().filter_map(|line| line.split_once("help: "));
    let mut commands = helps.filter_map(|(_, help)| help.split('`').nth(1));
    let command = commands.find(|command| command.starts_with("cuda-fixup "));
    let command = command.unwrap_or_else(|| panic!("{report}"));
    let text = command.replacen("cuda-fixup", BINARY, 1);
    let mut shell = Command::new("bash");
    shell.current_dir(&shop.path).args(["-c", &text]);
    let run = shell.output().unwrap();
    assert!(run.status.success(), "{command}: {run:?}");
}

/// A static program in the place of a loader.
fn stand_in(shop: &Workshop, output: &str, message: &str) {
    let source = format!(
        "#include <stdio.h>\nint main(void) {{ return puts({}) < 0 ? 2 : 127; }}",
        serde_json::to_string(message).unwrap()
    );
    shop.cc("gcc", output, &source, &["-static"]);
}

/// A file of this machine's compiler or libc.
fn of_compiler(name: &str) -> Vec<u8> {
    let asked = Command::new("gcc")
        .arg(format!("-print-file-name={name}"))
        .output();
    let file = String::from_utf8(asked.unwrap().stdout).unwrap();
    fs::read(file.trim_end()).unwrap()
}

const LD_SO: &str = "ld-linux-x86-64.so.2";
const GLIBC: &str = "nix/store/x-glibc/lib";
const STUB: &str = "Could not start dynamically linked executable: %s\nNixOS cannot run \
                    dynamically linked executables intended for generic\nlinux environments out \
                    of the box. For more information, see:\nhttps://nix.dev/permalink/stub-ld\n";
const NIX_LD: &str = "NIX_LD NIX_LD_LIBRARY_PATH /run/current-system/sw/share/nix-ld/lib/ld.so";

/// NixOS with a program of another system, which needs `libodd.so.3`, and a shell of its own. Its
/// glibc searches its own directory alone.
fn nixos(in_the_place: &str) -> Workshop {
    let shop = Workshop::new();
    shop.lib("stub/libodd.so.3", &[]);
    shop.exe("root/app", &["stub/libodd.so.3"]);
    shop.exe(
        "root/bin/sh",
        &[&format!("-Wl,--dynamic-linker,/{GLIBC}/{LD_SO}")],
    );
    shop.write("root/etc/NIXOS", "");
    shop.write("root/etc/os-release", "ID=nixos\n");
    for name in [LD_SO, "libc.so.6"] {
        shop.write(&format!("root/{GLIBC}/{name}"), of_compiler(name));
    }
    stand_in(&shop, &format!("root/lib64/{LD_SO}"), in_the_place);
    shop
}

fn inspect(shop: &Workshop, more: &[&str]) -> Output {
    shop.inspect(&[&["--root", "root", "root/app"], more].concat())
}

/// The stub has the name and the place of glibc's loader.
#[test]
fn nixos_with_its_stub() {
    let shop = nixos(STUB);
    shop.lib("root/lib/x86_64-linux-gnu/libodd.so.3", &[]);
    let run = inspect(&shop, &["--check"]);
    let report = text(&run);
    assert_eq!(run.status.code(), Some(1), "{report}");
    assert!(report.contains("unknown whether it loads"), "{report}");
    assert!(
        report.contains("is NixOS's message in place of a loader"),
        "{report}"
    );
    assert!(report.contains("programs.nix-ld.enable = true"), "{report}");
    remedy(&shop, &report);
    let mended = text(&inspect(&shop, &[]));
    assert!(
        mended.contains(&format!("interpreter /{GLIBC}/{LD_SO} (glibc ")),
        "{mended}"
    );
    assert!(!mended.contains("in place of a loader"), "{mended}");
}

#[test]
fn nixos_with_nix_ld() {
    let shop = nixos(NIX_LD);
    // Enabled in no configuration: there is nothing that it could start.
    let report = text(&inspect(&shop, &["--check"]));
    let cause =
        "is nix-ld, and the loader that it starts, /run/current-system/sw/share/nix-ld/lib/ld.so";
    assert!(report.contains(cause), "{report}");
    assert!(report.contains("programs.nix-ld.enable = true"), "{report}");
    // The profile's directory: a loader of the store, and the libraries of the configuration.
    let profile = shop.at("root/run/current-system/sw/share/nix-ld/lib");
    fs::create_dir_all(&profile).unwrap();
    symlink(format!("/{GLIBC}/{LD_SO}"), profile.join("ld.so")).unwrap();
    let report = text(&inspect(&shop, &[]));
    let loader = "(nix-ld, starts /run/current-system/sw/share/nix-ld/lib/ld.so: glibc ";
    assert!(report.contains(loader), "{report}");
    assert!(report.contains("libodd.so.3 => not found"), "{report}");
    assert!(report.contains("to programs.nix-ld.libraries"), "{report}");
    // This machine's glibc plays the store's, and searches its own directories.
    shop.write(
        "root/lib/x86_64-linux-gnu/libc.so.6",
        of_compiler("libc.so.6"),
    );
    // The package is added.
    shop.lib(
        "root/run/current-system/sw/share/nix-ld/lib/libodd.so.3",
        &[],
    );
    let json = inspect(&shop, &["--json"]);
    assert_eq!(json.status.code(), Some(0), "{json:?}");
    let json = crate::support::schema::parsed(text(&json).trim_end());
    assert_eq!(json["needed"][0]["via"], "ld_library_path");
    assert_eq!(json["loader"]["path"], format!("/lib64/{LD_SO}"));
    let library_path = "/run/current-system/sw/share/nix-ld/lib";
    assert_eq!(json["loader"]["nix_ld"]["library_path"], library_path);
    let report = text(&inspect(&shop, &[]));
    assert!(!report.contains("help: "), "{report}");
}

/// Here it is run: nix-ld's part is played by a program that starts what NIX_LD names.
#[test]
fn the_variables_of_nix_ld() {
    let shop = Workshop::new();
    shop.lib("odd/libodd.so.3", &[]);
    stand_in(&shop, &format!("lib64/{LD_SO}"), NIX_LD);
    let interpreter = shop.at(&format!("lib64/{LD_SO}"));
    let named = format!("-Wl,--dynamic-linker,{}", interpreter.display());
    shop.exe("app", &["odd/libodd.so.3", &named]);
    let real = String::from_utf8(
        crate::support::trees::info(std::path::Path::new("/proc/self/exe"))
            .interpreter
            .unwrap(),
    )
    .unwrap();
    let odd = shop.at("odd").display().to_string();
    let run = |variables: &[(&str, &str)]| {
        let mut command = Command::new(BINARY);
        command
            .current_dir(&shop.path)
            .args(["inspect", "--json", "app"]);
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            if name.starts_with("NIX_LD") || name == "LD_LIBRARY_PATH" {
                command.env_remove(name);
            }
        }
        command.envs(variables.iter().copied());
        let output = command.output().unwrap();
        let json = crate::support::schema::parsed(text(&output).trim_end());
        (output.status.code(), json)
    };
    let system = format!("NIX_LD_{}_linux", std::env::consts::ARCH);
    for (variables, code) in [
        (
            vec![("NIX_LD", real.as_str()), ("NIX_LD_LIBRARY_PATH", &odd)],
            0,
        ),
        (
            vec![
                (system.as_str(), real.as_str()),
                ("NIX_LD", "/none"),
                ("LD_LIBRARY_PATH", &odd),
            ],
            0,
        ),
        (vec![("NIX_LD", real.as_str())], 1),
        (vec![("NIX_LD", "/none"), ("NIX_LD_LIBRARY_PATH", &odd)], 1),
    ] {
        let (status, json) = run(&variables);
        assert_eq!(status, Some(code), "{variables:?} {json:#}");
        // What nix-ld does with them, by the real loader.
        let value = |wanted: &str| variables.iter().find(|(name, _)| *name == wanted);
        let loader = value(&system).or_else(|| value("NIX_LD")).unwrap().1;
        let list =
            ["LD_LIBRARY_PATH", "NIX_LD_LIBRARY_PATH"].map(|name| value(name).map_or("", |v| v.1));
        let mut started = Command::new(loader);
        started.arg("./app").current_dir(&shop.path).env_clear();
        started.env("LD_LIBRARY_PATH", list.join(":"));
        let works = started.output().is_ok_and(|run| run.status.success());
        assert_eq!(works, code == 0, "{variables:?}");
    }
}

/// `--appimage-extract` leaves AppRun and usr/; AppRun sets LD_LIBRARY_PATH, and the program alone
/// finds nothing.
#[test]
fn an_unpacked_appimage() {
    let shop = Workshop::new();
    let root = "squashfs-root";
    shop.lib(&format!("{root}/usr/lib/libbundled.so.5"), &[]);
    shop.exe(
        &format!("{root}/usr/bin/app"),
        &[&format!("{root}/usr/lib/libbundled.so.5")],
    );
    let run =
        "#!/bin/sh\nexport LD_LIBRARY_PATH=\"$APPDIR/usr/lib\"\nexec \"$APPDIR/usr/bin/app\"\n";
    shop.write(&format!("{root}/AppRun"), run);
    let app = format!("{root}/usr/bin/app");
    for target in [&app[..], root] {
        let report = text(&shop.inspect(&[target]));
        let cause = format!("note: {root}/usr/lib/libbundled.so.5 is there, but no search leads");
        assert!(report.contains(&cause), "{report}");
        let command = format!("`cuda-fixup fixup --lib {root}/usr/lib {root}/usr/bin/app`");
        assert!(report.contains(&command), "{report}");
        assert!(!report.contains("apt "), "{report}");
    }
    remedy(&shop, &text(&shop.inspect(&[&app])));
    assert_eq!(shop.inspect(&["--check", &app]).status.code(), Some(0));
    let started = Command::new(shop.at(&app))
        .env_remove("LD_LIBRARY_PATH")
        .status();
    assert!(started.unwrap().success());
    // As AppRun starts it.
    shop.exe(&app, &[&format!("{root}/usr/lib/libbundled.so.5")]);
    let list = shop.at(&format!("{root}/usr/lib"));
    let report = shop.inspect(&["--check", "--library-path", list.to_str().unwrap(), &app]);
    assert_eq!(report.status.code(), Some(0), "{report:?}");
}

/// L4T has the driver in a directory that ld.so.conf names; programs are aarch64's.
#[test]
fn a_program_for_a_jetson() {
    let shop = Workshop::new();
    let gcc = "aarch64-linux-gnu-gcc";
    let library = ["-shared", "-fPIC", "-nostdlib", "-Wl,-soname,libcuda.so.1"];
    shop.cc(gcc, "stub/libcuda.so.1", "int x;", &library);
    let source = "int main(void) { return 0; }";
    shop.cc(gcc, "root/app", source, &["stub/libcuda.so.1"]);
    shop.write(
        "root/etc/nv_tegra_release",
        "# R36 (release), REVISION: 4.0\n",
    );
    shop.write("root/etc/os-release", "ID=ubuntu\nID_LIKE=debian\n");
    shop.write("root/etc/debian_version", "12\n");
    for name in ["ld-linux-aarch64.so.1", "libc.so.6"] {
        let asked = Command::new(gcc)
            .arg(format!("-print-file-name={name}"))
            .output();
        let file = String::from_utf8(asked.unwrap().stdout).unwrap();
        let bytes = fs::read(file.trim_end()).unwrap();
        shop.write(&format!("root/lib/{name}"), &bytes);
    }
    let report = text(&inspect(&shop, &[]));
    assert!(report.contains("aarch64"), "{report}");
    assert!(
        report.contains("libcuda.so.1 comes with NVIDIA's driver"),
        "{report}"
    );
    let help = "help: install it with JetPack: `apt install nvidia-l4t-cuda`";
    assert!(report.contains(help), "{report}");
    // That package's file, in a directory that only the cache leads to.
    let driver = "root/usr/lib/aarch64-linux-gnu/nvidia/libcuda.so.1";
    shop.cc(gcc, driver, "int x;", &library);
    let report = text(&inspect(&shop, &[]));
    assert!(
        report.contains("/usr/lib/aarch64-linux-gnu/nvidia/libcuda.so.1"),
        "{report}"
    );
    remedy(&shop, &report);
    let mended = inspect(&shop, &[]);
    assert_eq!(mended.status.code(), Some(0), "{}", text(&mended));
}

/// An image that was started without `--gpus all`, and then with it.
#[test]
fn a_container_without_a_driver() {
    let shop = Workshop::new();
    shop.lib("stub/libcuda.so.1", &[]);
    shop.exe("root/app", &["stub/libcuda.so.1"]);
    shop.write("root/.dockerenv", "");
    for name in [LD_SO, "libc.so.6"] {
        shop.write(&format!("root/lib64/{name}"), of_compiler(name));
        shop.write(
            &format!("root/lib/x86_64-linux-gnu/{name}"),
            of_compiler(name),
        );
    }
    let run = inspect(&shop, &["--check"]);
    assert_eq!(run.status.code(), Some(1));
    let report = text(&run);
    assert!(
        report.contains("start the container with `--gpus all`"),
        "{report}"
    );
    // The image's stub is no driver, and no advice leads there.
    shop.lib(
        "root/usr/local/cuda/lib64/stubs/libcuda.so",
        &["-Wl,-soname,libcuda.so.1"],
    );
    let report = text(&inspect(&shop, &[]));
    assert!(!report.contains("stubs"), "{report}");
    // The toolkit mounts the driver's libraries.
    shop.lib("root/usr/lib/x86_64-linux-gnu/libcuda.so.1", &[]);
    let mended = inspect(&shop, &["--check"]);
    assert_eq!(mended.status.code(), Some(0), "{}", text(&mended));
}

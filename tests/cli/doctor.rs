//! `doctor` on machines laid out in a directory: each kind of system, each kind of fault.

use crate::support::BINARY;
use elf_edit::{ElfInfo, FileReader};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

/// `cuDriverGetVersion` as drivers have it for x86-64 and aarch64, returning 13.0, and enough bytes
/// to be no stub.
pub(super) const DRIVER: &str = r#"
#if defined __x86_64__
asm(".text\n.globl cuDriverGetVersion\ncuDriverGetVersion:\n"
    ".byte 0x48,0x85,0xff,0x74,0x0a,0xc7,0x07\n.long 13000\n.byte 0x31,0xc0,0xc3");
#else
asm(".text\n.globl cuDriverGetVersion\ncuDriverGetVersion:\n"
    "mov x1, x0\ncbz x1, 1f\nmovz w2, #13000\nmovz w0, #0\nstr w2, [x1]\nret\n1: ret");
#endif
const char bulk[2 << 20] = {1};
"#;

pub(super) struct Machine {
    pub(super) dir: tempfile::TempDir,
    /// The default library directory.
    pub(super) lib: String,
}

pub(super) fn gcc(args: &[&str], out: &Path) {
    let status = Command::new("gcc").args(args).arg("-o").arg(out).status();
    assert!(status.unwrap().success());
}

impl Machine {
    /// With a program and its loader, and no trace of NVIDIA.
    pub(super) fn new() -> Machine {
        let dir = tempfile::tempdir().unwrap();
        let multiarch = Command::new("gcc")
            .arg("-print-multiarch")
            .output()
            .unwrap();
        let multiarch = String::from_utf8(multiarch.stdout).unwrap();
        let machine = Machine {
            dir,
            lib: format!("/usr/lib/{}", multiarch.trim()),
        };
        let source = machine.write("/tmp/program.c", "int main(void) { return 0; }");
        let program = machine.make("/bin/sh");
        gcc(&[source.to_str().unwrap()], &program);
        let info =
            ElfInfo::read(&FileReader::new(fs::File::open(&program).unwrap()).unwrap()).unwrap();
        let interpreter = String::from_utf8(info.interpreter.unwrap()).unwrap();
        fs::copy(&interpreter, machine.make(&interpreter)).unwrap();
        machine.write("/etc/os-release", "NAME=Example\nID=debian\n");
        machine
    }

    /// With a working driver of this version.
    pub(super) fn with_driver(version: &str) -> Machine {
        let machine = Machine::new();
        machine.module(version);
        for device in ["nvidiactl", "nvidia-uvm", "nvidia0"] {
            machine.write(&format!("/dev/{device}"), "");
        }
        machine.write(
            "/proc/driver/nvidia/gpus/0000:00:06.0/information",
            "Model: \t\t NVIDIA H100 80GB HBM3\nBus Location: \t 0000:00:06.0\n",
        );
        let lib = machine.lib.clone();
        machine.libcuda(&lib, version);
        machine
    }

    fn module(&self, version: &str) {
        let line = format!(
            "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  {version}  Release Build  (x@y)\n\
             GCC version:  gcc version 12.2.0 (Debian 12.2.0-14)\n"
        );
        self.write("/proc/driver/nvidia/version", &line);
    }

    pub(super) fn make(&self, path: &str) -> PathBuf {
        let path = self.dir.path().join(path.trim_start_matches('/'));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    pub(super) fn write(&self, path: &str, text: &str) -> PathBuf {
        let path = self.make(path);
        fs::write(&path, text).unwrap();
        path
    }

    /// A driver's library with its compiler for PTX beside it.
    pub(super) fn libcuda(&self, dir: &str, version: &str) {
        let source = self.write("/tmp/driver.c", DRIVER);
        let flags = [
            "-shared",
            "-fPIC",
            "-Wl,-soname,libcuda.so.1",
            "-Wl,-rpath,$ORIGIN",
        ];
        let args = [&flags[..], &[source.to_str().unwrap()]].concat();
        let name = format!("libcuda.so.{version}");
        gcc(&args, &self.make(&format!("{dir}/{name}")));
        symlink(&name, self.make(&format!("{dir}/libcuda.so.1"))).unwrap();
        let empty = self.write("/tmp/empty.c", "");
        let compiler = self.make(&format!("{dir}/libnvidia-ptxjitcompiler.so.1"));
        gcc(&["-shared", "-fPIC", empty.to_str().unwrap()], &compiler);
    }

    pub(super) fn stub(&self, dir: &str) {
        let source = self.write("/tmp/stub.c", "int cuInit(int x) { return x + 34; }");
        let args = [
            "-shared",
            "-fPIC",
            "-Wl,-soname,libcuda.so.1",
            source.to_str().unwrap(),
        ];
        gcc(&args, &self.make(&format!("{dir}/libcuda.so.1")));
    }

    pub(super) fn remove(&self, path: &str) {
        let path = self.make(path);
        if path.is_dir() {
            fs::remove_dir_all(path).unwrap();
        } else {
            fs::remove_file(path).unwrap();
        }
    }

    fn look(&self) -> Value {
        self.look_at(&[])
    }

    /// With these arguments, paths as seen inside the machine.
    fn look_at(&self, args: &[&str]) -> Value {
        let args = args.iter().map(|arg| match arg.strip_prefix('/') {
            Some(path) => self.dir.path().join(path).into_os_string(),
            None => arg.into(),
        });
        let output = Command::new(BINARY)
            .args(["doctor", "--json", "--root"])
            .arg(self.dir.path())
            .args(args)
            .output()
            .unwrap();
        let value: Value = crate::support::schema::parsed(&output.stdout);
        let findings = value["findings"].as_array().unwrap();
        let broken = findings
            .iter()
            .any(|finding| finding["severity"] == "error");
        assert_eq!(output.status.code(), Some(i32::from(broken)), "{value}");
        for finding in findings {
            let help = finding["help"].as_str().unwrap();
            assert!(!help.is_empty(), "{finding}");
        }
        value
    }

    /// Codes of the findings.
    fn codes(&self) -> Vec<String> {
        let value = self.look();
        let findings = value["findings"].as_array().unwrap().iter();
        findings
            .map(|f| f["code"].as_str().unwrap().to_owned())
            .collect()
    }

    fn help(&self) -> String {
        self.look()["findings"][0]["help"]
            .as_str()
            .unwrap()
            .to_owned()
    }
}

#[test]
fn a_machine_that_works_has_no_findings() {
    let machine = Machine::with_driver("580.159.04");
    let value = machine.look();
    assert_eq!(value["findings"], serde_json::json!([]), "{value}");
    assert_eq!(value["kernelModule"], "580.159.04");
    assert_eq!(value["driverCuda"], "13.0");
    assert_eq!(value["gpus"][0]["name"], "NVIDIA H100 80GB HBM3");
    let libcuda = &value["libcuda"][0];
    assert_eq!(libcuda["driver"], "580.159.04");
    assert_eq!(libcuda["default"], true);
    assert_eq!(libcuda["compilesPtx"], true);
    assert_eq!(value["libcuda"].as_array().unwrap().len(), 1);
}

#[test]
fn nothing_of_nvidia_is_said_in_one_finding() {
    assert_eq!(Machine::new().codes(), ["gpu-missing"]);
}

#[test]
fn a_gpu_without_a_module_is_told_from_no_gpu() {
    let machine = Machine::new();
    machine.write("/sys/bus/pci/devices/0000:00:06.0/vendor", "0x10de\n");
    machine.write("/sys/bus/pci/devices/0000:00:06.0/class", "0x030200\n");
    // The sound device of a graphics card is no GPU.
    machine.write("/sys/bus/pci/devices/0000:00:06.1/vendor", "0x10de\n");
    machine.write("/sys/bus/pci/devices/0000:00:06.1/class", "0x040300\n");
    assert_eq!(machine.codes(), ["module-missing", "libcuda-missing"]);
    assert_eq!(machine.look()["pciGpus"], 1);
    assert!(machine.help().contains("modprobe nvidia"));
}

#[test]
fn missing_device_files_have_another_cause_in_a_container() {
    let machine = Machine::with_driver("580.159.04");
    machine.remove("/dev/nvidia-uvm");
    assert_eq!(machine.codes(), ["device-missing"]);
    assert!(machine.help().contains("nvidia-modprobe"));
    machine.write("/.dockerenv", "");
    assert!(machine.help().contains("--gpus all"));
    machine.write("/run/.containerenv", "");
    assert!(machine.help().contains("nvidia.com/gpu=all"));
    machine.write("/var/run/secrets/kubernetes.io/token", "");
    assert!(machine.help().contains("nvidia.com/gpu: 1"));
}

#[test]
fn a_device_file_that_does_not_open_is_named() {
    let machine = Machine::with_driver("580.159.04");
    machine.remove("/dev/nvidia0");
    // A directory opens for reading only.
    fs::create_dir(machine.make("/dev/nvidia0")).unwrap();
    assert_eq!(machine.codes(), ["device-refused"]);
}

#[test]
fn libraries_of_another_driver_than_the_module_are_an_error() {
    let machine = Machine::with_driver("580.159.04");
    machine.module("580.95.05");
    assert_eq!(machine.codes(), ["driver-mismatch"]);
    assert!(machine.help().contains("reboot"));
}

#[test]
fn a_stub_in_a_default_directory_is_an_error() {
    let machine = Machine::with_driver("580.159.04");
    machine.remove(&machine.lib.clone());
    machine.stub(&machine.lib);
    assert_eq!(machine.codes(), ["stub-found"]);
}

#[test]
fn a_driver_that_only_a_runpath_reaches_is_a_note_on_nixos_and_the_advice_works() {
    let machine = Machine::with_driver("580.159.04");
    machine.remove(&machine.lib.clone());
    machine.libcuda("/run/opengl-driver/lib", "580.159.04");
    let value = machine.look();
    assert_eq!(value["findings"][0]["code"], "libcuda-not-default");
    assert_eq!(value["findings"][0]["severity"], "warning");
    let help = value["findings"][0]["help"].as_str().unwrap();
    assert!(
        help.contains("--driver-link /run/opengl-driver/lib"),
        "{help}"
    );
    machine.write("/etc/os-release", "ID=nixos\n");
    let value = machine.look();
    assert_eq!(value["system"], "nixos");
    assert_eq!(value["findings"][0]["severity"], "note");
}

#[test]
fn a_driver_without_its_ptx_compiler_is_a_warning() {
    let machine = Machine::with_driver("580.159.04");
    machine.remove(&format!("{}/libnvidia-ptxjitcompiler.so.1", machine.lib));
    assert_eq!(machine.codes(), ["ptx-compiler-missing"]);
}

#[test]
fn a_driver_that_is_not_installed_gets_the_command_of_the_system() {
    let machine = Machine::with_driver("580.159.04");
    machine.remove(&machine.lib.clone());
    assert_eq!(machine.codes(), ["libcuda-missing"]);
    assert!(machine.help().contains("apt-get install nvidia-driver"));
    machine.write("/etc/os-release", "ID=nixos\n");
    assert!(machine.help().contains("hardware.graphics.enable"));
}

#[test]
fn a_newer_forward_compatibility_package_is_offered() {
    let machine = Machine::with_driver("535.261.03");
    // The code says 13.0 in both: the default's is made older.
    let old = DRIVER.replace("13000", "12020");
    let source = machine.write("/tmp/old.c", &old);
    let file = machine.make(&format!("{}/libcuda.so.535.261.03", machine.lib));
    gcc(
        &[
            "-shared",
            "-fPIC",
            "-Wl,-rpath,$ORIGIN",
            source.to_str().unwrap(),
        ],
        &file,
    );
    machine.libcuda("/usr/local/cuda-13.0/compat", "580.95.05");
    symlink("cuda-13.0", machine.make("/usr/local/cuda")).unwrap();
    let value = machine.look();
    assert_eq!(value["driverCuda"], "12.2");
    assert_eq!(value["findings"].as_array().unwrap().len(), 1, "{value}");
    assert_eq!(value["findings"][0]["code"], "compat-available");
    assert_eq!(value["libcuda"][1]["forwardCompatibility"], true);
}

#[test]
fn wsl_and_jetson_need_no_kernel_module() {
    let machine = Machine::new();
    machine.write("/dev/dxg", "");
    machine.libcuda("/usr/lib/wsl/lib", "580.159.04");
    let value = machine.look();
    assert_eq!(value["system"], "wsl");
    assert_eq!(value["findings"][0]["code"], "libcuda-not-default");

    let machine = Machine::new();
    machine.write(
        "/proc/device-tree/compatible",
        "nvidia,p3737\0nvidia,tegra234\0",
    );
    machine.write("/dev/nvmap", "");
    machine.libcuda(&machine.lib, "540.4.0");
    let value = machine.look();
    assert_eq!(value["system"], "jetson");
    assert_eq!(value["gpus"][0]["capability"], "8.7");
    assert_eq!(value["findings"], serde_json::json!([]), "{value}");
}

#[test]
fn hostile_files_neither_stop_nor_panic() {
    let machine = Machine::with_driver("580.159.04");
    for file in [
        "/proc/driver/nvidia/version",
        "/etc/os-release",
        "/proc/device-tree/compatible",
    ] {
        let path = machine.make(file);
        let _ = fs::remove_file(&path);
        let made = Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
    }
    machine.write("/proc/driver/nvidia/gpus/x/information", "Model:\x1b[31m\n");
    let elf = machine.make(&format!("{}/libcuda.so.580.159.04", machine.lib));
    fs::write(elf, b"\x7fELF").unwrap();
    machine.look();
    let output = Command::new(BINARY)
        .args(["doctor", "--root"])
        .arg(machine.dir.path())
        .output()
        .unwrap();
    assert!(!output.stdout.contains(&0x1b));
}

/// This machine, whatever it is, with a mock nvidia-smi.
fn here(smi: &str, variables: &[(&str, &str)]) -> Value {
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("nvidia-smi");
    fs::write(&program, format!("#!/bin/sh\n{smi}\n")).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&program, mode).unwrap();
    let path = format!("{}:/usr/bin:/bin", dir.path().display());
    let output = Command::new(BINARY)
        .args(["doctor", "--json"])
        .env("PATH", path)
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    crate::support::schema::parsed(&output.stdout)
}

#[test]
fn nvidia_smi_gives_the_compute_capabilities() {
    let value = here(
        "case $1 in
         --query-gpu=*) echo '00000000:00:06.0, 9.0, 580.159.04, NVIDIA H100, the large one' ;;
         --query) echo '    CUDA Version          : 13.0' ;;
         esac",
        &[],
    );
    let gpus = value["gpus"].as_array().unwrap();
    assert!(gpus.iter().any(|gpu| gpu["capability"] == "9.0"), "{value}");
    assert!(
        gpus.iter()
            .any(|gpu| gpu["name"].as_str().unwrap().contains("H100"))
    );
    assert_eq!(value["nvidiaSmi"]["error"], Value::Null);
}

#[test]
fn a_mismatch_that_nvidia_smi_reports_means_a_reboot() {
    let value = here(
        "echo 'Failed to initialize NVML: Driver/library version mismatch'; exit 18",
        &[],
    );
    let findings = value["findings"].as_array().unwrap();
    let said = findings
        .iter()
        .find(|f| f["code"] == "nvidia-smi-fails")
        .unwrap();
    assert!(said["help"].as_str().unwrap().contains("reboot"));
}

#[test]
fn variables_that_hide_every_gpu_are_errors() {
    for value in ["", "-1", "-1,0"] {
        let value = here("exit 1", &[("CUDA_VISIBLE_DEVICES", value)]);
        let findings = value["findings"].as_array().unwrap();
        assert!(
            findings.iter().any(|f| f["code"] == "gpus-hidden"),
            "{value}"
        );
    }
    let value = here("exit 1", &[("CUDA_VISIBLE_DEVICES", "GPU-ef07cf76")]);
    let findings = value["findings"].as_array().unwrap();
    assert!(
        findings.iter().all(|f| f["code"] != "gpus-hidden"),
        "{value}"
    );
}

impl Machine {
    /// /opt/app: a program that does nothing without the driver's library, or only tries for it.
    fn program(&self, needs: bool, more: &[&str]) {
        let source = match needs {
            true => {
                "int cuDriverGetVersion(int *); int main(void) { int v; return cuDriverGetVersion(&v); }"
            }
            false => "#include <dlfcn.h>\nint main(void) { return !dlopen(\"libcuda.so.1\", 1); }",
        };
        let source = self.write("/tmp/app.c", source);
        let stub = self.write(
            "/tmp/app-stub.c",
            "int cuDriverGetVersion(int *v) { return *v; }",
        );
        let library = self.make("/tmp/libcuda.so");
        let flags = [
            "-shared",
            "-fPIC",
            "-Wl,-soname,libcuda.so.1",
            stub.to_str().unwrap(),
        ];
        gcc(&flags, &library);
        let mut args = vec![source.to_str().unwrap()];
        args.extend(needs.then_some(library.to_str().unwrap()));
        args.extend(more);
        gcc(&args, &self.make("/opt/app"));
        let host = Command::new("gcc")
            .arg("-print-file-name=libc.so.6")
            .output();
        let host = String::from_utf8(host.unwrap().stdout).unwrap();
        let inside = format!("{}/libc.so.6", self.lib);
        fs::copy(host.trim(), self.make(&inside)).unwrap();
    }

    fn first_file(&self, args: &[&str]) -> (Value, Vec<String>) {
        let value = self.look_at(args);
        let findings = value["findings"].as_array().unwrap().iter();
        let said = findings.map(|f| {
            format!(
                "{} {}",
                f["severity"].as_str().unwrap(),
                f["code"].as_str().unwrap()
            )
        });
        let said = said.collect();
        (value["paths"][0]["files"][0].clone(), said)
    }
}

#[test]
fn a_program_gets_the_driver_that_its_loader_finds() {
    for needs in [true, false] {
        let machine = Machine::with_driver("580.159.04");
        machine.program(needs, &[]);
        let (file, said) = machine.first_file(&["/opt/app"]);
        assert_eq!(said, [""; 0], "{file}");
        assert_eq!(file["libcuda"]["through"], "default", "{file}");
        assert_eq!(file["needsDriver"], needs);
        // Behind the link of NixOS, where no default search comes.
        machine.remove(&machine.lib.clone());
        machine.program(needs, &[]);
        machine.libcuda("/run/opengl-driver/lib", "580.159.04");
        let (file, said) = machine.first_file(&["/opt"]);
        assert_eq!(file["libcuda"], Value::Null);
        let severity = if needs { "error" } else { "note" };
        let own = said.iter().filter(|said| !said.contains("libcuda"));
        assert_eq!(
            own.collect::<Vec<_>>(),
            [&format!("{severity} driver-not-found")]
        );
        machine.program(needs, &["-Wl,-rpath,/run/opengl-driver/lib"]);
        let (file, said) = machine.first_file(&["/opt/app"]);
        assert_eq!(
            file["libcuda"]["path"],
            "/run/opengl-driver/lib/libcuda.so.1"
        );
        assert_eq!(file["libcuda"]["through"], "RUNPATH");
        assert!(
            !said.iter().any(|s| s.ends_with("driver-not-found")),
            "{said:?}"
        );
    }
}

#[test]
fn a_program_with_a_stub_or_a_copy_of_another_driver() {
    let machine = Machine::with_driver("580.159.04");
    machine.stub("/usr/local/cuda/lib64/stubs");
    machine.program(true, &["-Wl,-rpath,/usr/local/cuda/lib64/stubs"]);
    let (file, said) = machine.first_file(&["/opt/app"]);
    assert_eq!(file["libcuda"]["stub"], true, "{file}");
    assert_eq!(said, ["error driver-is-a-stub"]);
    machine.libcuda("/opt/old", "535.104.05");
    machine.program(true, &["-Wl,-rpath,$ORIGIN/old"]);
    assert_eq!(
        machine.first_file(&["/opt/app"]).1,
        ["error driver-of-another-version"]
    );
}

#[test]
fn a_path_that_holds_nothing_is_an_error() {
    let machine = Machine::with_driver("580.159.04");
    machine.write("/opt/text", "no ELF file");
    fs::create_dir(machine.make("/opt/empty")).unwrap();
    for path in ["/opt/text", "/opt/empty", "/opt/gone"] {
        let output = Command::new(BINARY)
            .args(["doctor", "--root"])
            .arg(machine.dir.path())
            .arg(machine.make(path))
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{path}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.starts_with("error: ") && said.contains(path), "{said}");
    }
}

#[test]
fn of_a_wheel_whether_it_runs_on_other_machines() {
    let wheel = crate::support::wheel("bitsandbytes-0.50.2");
    let judge = |args: &[&str]| {
        let output = Command::new(BINARY)
            .arg("doctor")
            .args(args)
            .arg(&wheel)
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        (output.status.code(), text)
    };
    let (code, text) = judge(&["--capabilities", "7.5,9.0", "--max-driver-cuda", "13.0"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.starts_with(
        "judged for     GPUs of compute capability 7.5, 9.0, a driver that runs CUDA 13.0\n"
    ));
    // Its CUDA 13 has no code for Volta; the other libraries have.
    let (code, text) = judge(&["--capabilities", "7.0", "--max-driver-cuda", "12.4"]);
    assert_eq!(code, Some(1), "{text}");
    let line = |code: &str| {
        let mut lines = text
            .lines()
            .filter(|line| line.starts_with(&format!("error[{code}]")));
        lines
            .next()
            .unwrap_or_else(|| panic!("{code}: {text}"))
            .to_owned()
    };
    let newer = line("runtime-newer-than-driver");
    assert!(
        newer.contains("cuda130.so") && newer.contains("cuda132.so") && !newer.contains("cuda128")
    );
    let no_code = line("no-code-for-gpu");
    assert!(
        no_code.contains("cuda130.so") && !no_code.contains("cuda126.so"),
        "{no_code}"
    );
}

#[test]
fn a_word_without_slash_is_a_program_on_path() {
    let dir = tempfile::tempdir().unwrap();
    let output = Command::new(BINARY)
        .args(["doctor", "--json", "env", "no-such-program"])
        .current_dir(dir.path())
        .env("PATH", "/usr/bin:/bin")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let value: Value = crate::support::schema::parsed(&output.stdout);
    assert_eq!(value["paths"][0]["path"], "/usr/bin/env");
    assert!(value["paths"][0]["elfFiles"].as_u64() >= Some(1));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("no-such-program"), "{said}");
}

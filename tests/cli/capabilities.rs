//! `cuda-fixup capabilities` as a user calls it.

use cuda_fixup::parts::Variant;
use cuda_fixup::parts::{Capability, GpuTable};
use std::process::{Command, Output};

fn capabilities(args: &[&str]) -> Output {
    Command::new(crate::support::BINARY)
        .arg("capabilities")
        .args(args)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn check_tells_what_is_wrong_and_exits_1() {
    let bad = capabilities(&["check", "--cuda", "12.4", "--capabilities", "9.0;12.0"]);
    assert_eq!(bad.status.code(), Some(1));
    assert!(
        text(&bad.stderr).contains("compute capability 12.0 exists from CUDA 12.8 on"),
        "{}",
        text(&bad.stderr)
    );
    let good = capabilities(&["check", "--cuda", "12.8", "--capabilities", "9.0, 12.0"]);
    assert_eq!(good.status.code(), Some(0));
    let no_list = capabilities(&["check", "--cuda", "12.8", "--capabilities", "ninety"]);
    assert_eq!(no_list.status.code(), Some(2));
}

#[test]
fn flags_in_three_forms() {
    let wanted = ["flags", "--cuda", "12.8", "--capabilities", "8.0;9.0a"];
    let lines = capabilities(&wanted);
    assert!(
        text(&lines.stdout).contains("cmakeCudaArchitectures=80;90a-real\n"),
        "{}",
        text(&lines.stdout)
    );
    let null = capabilities(&[&wanted[..], &["-0", "--only", "real"]].concat());
    assert_eq!(text(&null.stdout), "sm_80\0sm_90a\0");
    let json = capabilities(&[&wanted[..], &["--json"]].concat());
    let value: serde_json::Value = crate::support::schema::parsed(&json.stdout);
    assert_eq!(value["schema"], "cuda-fixup.capabilities/1");
    assert_eq!(value["cudaForwardCompat"], true);
    assert_eq!(
        value["gencode"][2],
        "-gencode=arch=compute_80,code=compute_80"
    );
}

/// CMake has a list of its own. What it does not know yet or has otherwise is said here.
#[test]
fn cmake_knows_the_same_architectures_in_each_version() {
    let modules = crate::support::wheel("cmake-4.4.4").join("cmake/data/share/cmake-4.4/Modules");
    let table = GpuTable::read().unwrap();
    let old = ["8.0", "9.0", "9.1", "9.2", "10.0", "10.1", "10.2"];
    let eleven = (0..=8).map(|minor| format!("11.{minor}"));
    let later = ["12.0", "12.4", "12.6", "12.8", "12.9", "13.0", "13.3"];
    let versions: Vec<String> = old.map(String::from).into_iter().chain(eleven).collect();
    let versions: Vec<String> = versions
        .into_iter()
        .chain(later.map(String::from))
        .collect();
    let script = tempfile::NamedTempFile::new().unwrap();
    let text = format!(
        "include({}/Internal/CMakeCUDAArchitecturesAll.cmake)\n\
         set(CMAKE_CUDA_COMPILER_ID NVIDIA)\n\
         foreach(version {})\n\
         set(X_TOOLKIT_VERSION ${{version}})\n\
         cmake_cuda_architectures_all(CUDA X_)\n\
         message(\"${{CMAKE_CUDA_ARCHITECTURES_ALL}}\")\n\
         endforeach()\n",
        modules.display(),
        versions.join(" ")
    );
    std::fs::write(script.path(), text).unwrap();
    let cmake = crate::support::wheel("cmake-4.4.4").join("cmake/data/bin/cmake");
    let told = Command::new(cmake).arg("-P").arg(script.path()).output();
    let told = String::from_utf8(told.unwrap().stderr).unwrap();
    assert_eq!(told.lines().count(), versions.len(), "{told}");
    for (version, line) in versions.iter().zip(told.lines()) {
        let numbers = line.split(';').map(|item| item.trim_end_matches("-real"));
        let mut theirs: Vec<Capability> = numbers
            .filter(|number| number.parse::<u32>().unwrap() >= 35)
            .map(|number| Capability::from_architecture(&format!("sm_{number}")).unwrap())
            .collect();
        if version == "9.0" {
            // PTX ISA 6.1, and so CUDA 9.1, is the first that has sm_72.
            theirs.retain(|capability| capability.to_string() != "7.2");
        }
        let mut ours = table.supported(version.parse().unwrap());
        ours.retain(|capability| capability.variant == Variant::Base);
        assert_eq!(ours, theirs, "CUDA {version}");
    }
}

//! CMake builds with farms: every kind of project (`matrix`), each way in which CMake learns of the
//! farm (`layers`), and what our cmake does with its arguments.

mod layers;
mod matrix;
pub mod site;

use crate::support::{failed, root, succeeded};
use site::{Site, cache, debian_cmake, output, pypi_cmake};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

#[test]
fn what_the_user_says_wins() {
    let site = Site::split(&["--capabilities", "9.0", "--cuda-runtime", "shared"]);
    let source = root().join("testdata/cmake/external-project/inner");
    let build = site.path("build");
    let configure = |args: &[&str], variables: &[(&str, &str)]| {
        let mut command = site.scrubbed("cmake", &pypi_cmake());
        command.arg("-S").arg(&source).arg("-B").arg(&build);
        command.args(args).envs(variables.iter().copied());
        output(&mut command)
    };
    succeeded(&configure(&[], &[]));
    assert_eq!(cache(&build, "CMAKE_CUDA_ARCHITECTURES"), "90");
    assert_eq!(cache(&build, "CMAKE_CUDA_RUNTIME_LIBRARY"), "Shared");
    let compiler = site.farm.join("bin/nvcc").display().to_string();
    assert_eq!(cache(&build, "CMAKE_CUDA_COMPILER"), compiler);
    // -D wins, and stays when the project is configured again.
    succeeded(&configure(&["-DCMAKE_CUDA_ARCHITECTURES=80"], &[]));
    succeeded(&configure(&[], &[]));
    assert_eq!(cache(&build, "CMAKE_CUDA_ARCHITECTURES"), "80");
    fs::remove_dir_all(&build).unwrap();
    succeeded(&configure(&[], &[("CUDAARCHS", "75-real")]));
    assert_eq!(cache(&build, "CMAKE_CUDA_ARCHITECTURES"), "75-real");
    // The environment says which toolkit: what the user names is looked at, and not the farm.
    fs::remove_dir_all(&build).unwrap();
    let told = failed(&configure(&[], &[("CUDACXX", "/nowhere/nvcc")]), 1);
    assert!(told.contains("/nowhere/nvcc"), "{told}");
}

#[test]
fn the_runtime_is_static_where_the_farm_says_so() {
    let site = Site::split(&["--cuda-runtime", "static"]);
    site.configure(
        "external-project/inner",
        &mut site.scrubbed("cmake", &pypi_cmake()),
    );
    let build = site.path("external-project/inner-build");
    assert_eq!(cache(&build, "CMAKE_CUDA_RUNTIME_LIBRARY"), "Static");
    assert_eq!(cache(&build, "CUDA_USE_STATIC_CUDA_RUNTIME"), "ON");
}

#[test]
fn native_architectures_are_refused_without_a_gpu() {
    let site = Site::split(&[]);
    let query = site.farm.join("bin/__nvcc_device_query");
    fs::remove_file(&query).unwrap();
    std::os::unix::fs::symlink("/bin/false", &query).unwrap();
    let mut cmake = site.scrubbed("cmake", &pypi_cmake());
    let told = failed(
        &output(cmake.args(["-DCMAKE_CUDA_ARCHITECTURES=native", "."])),
        1,
    );
    assert!(told.contains("no GPU answers on this machine"), "{told}");
    let mut cmake = site.scrubbed("cmake", &pypi_cmake());
    let told = failed(&output(cmake.env("CUDAARCHS", "native").arg(".")), 1);
    assert!(told.contains("CUDAARCHS=native"), "{told}");
    // A project that asks for it by itself gets to hear it from nvcc.
    let source = site.path("native");
    fs::create_dir(&source).unwrap();
    let project = "cmake_minimum_required(VERSION 3.24)\n\
        set(CMAKE_CUDA_ARCHITECTURES native)\n\
        project(native LANGUAGES CUDA)\n\
        add_executable(native native.cu)\n";
    fs::write(source.join("CMakeLists.txt"), project).unwrap();
    fs::write(source.join("native.cu"), "int main() {}\n").unwrap();
    let mut configure = site.scrubbed("cmake", &pypi_cmake());
    let configured = output(
        configure
            .arg("-S")
            .arg(&source)
            .arg("-B")
            .arg(site.path("b")),
    );
    let mut build = site.command(pypi_cmake().join("cmake"), &[]);
    let built = output(build.arg("--build").arg(site.path("b")));
    let told = [
        configured.stdout,
        configured.stderr,
        built.stdout,
        built.stderr,
    ]
    .concat();
    let told = String::from_utf8_lossy(&told);
    assert!(!built.status.success(), "{told}");
    assert!(told.contains("-arch=native: no GPU answers"), "{told}");
}

#[test]
fn what_configures_nothing_passes_through() {
    let site = Site::split(&[]);
    for cmake in [debian_cmake(), pypi_cmake()] {
        for args in [
            &["--version"][..],
            &["--help"],
            &["--help-module", "FindCUDAToolkit"],
            &["-E", "echo", "-S", "."],
            &["-E", "capabilities"],
            &["--build", "/nowhere"],
            &["--install", "/nowhere"],
            &[
                "--find-package",
                "-DNAME=Nothing",
                "-DCOMPILER_ID=GNU",
                "-DLANGUAGE=C",
                "-DMODE=EXIST",
            ],
            &["-P", "/nowhere.cmake"],
            &["-N", "-L", "/nowhere"],
            &["--list-presets"],
            &[],
        ] {
            let run = |program: PathBuf| {
                let mut command = site.scrubbed(program, &cmake);
                let output = output(command.current_dir(site.dir.path()).args(args));
                (output.status.code(), output.stdout, output.stderr)
            };
            let ours = run(site.farm.join("libexec/cuda-fixup/cmake"));
            assert_eq!(ours, run(cmake.join("cmake")), "{args:?}");
        }
    }
}

#[test]
fn only_the_real_cmake_is_called() {
    let site = Site::split(&[]);
    // Two copies of this program, then nothing: neither calls the other for ever.
    let bin = site.path("bin");
    fs::create_dir(&bin).unwrap();
    crate::support::copy_binary(&bin.join("cuda-fixup"));
    std::os::unix::fs::symlink("cuda-fixup", bin.join("cmake")).unwrap();
    let path = format!(
        "{}:{}/libexec/cuda-fixup",
        bin.display(),
        site.farm.display()
    );
    let mut cmake = Command::new("cmake");
    cmake.env_clear().env("PATH", path).arg("--version");
    let told = failed(&output(&mut cmake), 2);
    assert!(told.contains("no cmake on PATH but this one"), "{told}");
}

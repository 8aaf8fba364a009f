//! Each setting through which CMake finds the farm, alone, without all others.

use crate::cmake::site::{Site, cache, debian_cmake, needed, output, pypi_cmake};
use crate::support::{Toolkit, failed, farm, long, root, succeeded};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const TOOLCHAIN: &str = "share/cuda-fixup/toolchain.cmake";
const INITIAL_CACHE: &str = "share/cuda-fixup/initial-cache.cmake";

/// One of them: directories for PATH, the cmake that is called, and a variable.
type Layer = fn(&Site, &Path) -> Command;

fn on_path(site: &Site, cmake: &Path) -> Command {
    site.command(cmake.join("cmake"), &[&site.farm.join("bin")])
}

fn our_cmake(site: &Site, cmake: &Path) -> Command {
    site.command("cmake", &[&site.farm.join("libexec/cuda-fixup"), cmake])
}

fn toolchain(site: &Site, cmake: &Path) -> Command {
    let mut command = site.command(cmake.join("cmake"), &[]);
    command.env("CMAKE_TOOLCHAIN_FILE", site.farm.join(TOOLCHAIN));
    command
}

fn cudacxx(site: &Site, cmake: &Path) -> Command {
    let mut command = site.command(cmake.join("cmake"), &[]);
    command.env("CUDACXX", site.farm.join("bin/nvcc"));
    command
}

/// Configures with one layer, and builds with a scrubbed environment.
fn build_by(layer: Layer, short: fn() -> PathBuf, architectures: &str) {
    let cmakes = match long() {
        true => vec![debian_cmake(), pypi_cmake()],
        false => vec![short()],
    };
    for cmake in cmakes {
        let site = Site::split(&["--capabilities", "9.0"]);
        let project = "external-project/inner";
        let installed = site.configure(project, &mut layer(&site, &cmake));
        let build = site.path("external-project/inner-build");
        let nvcc = cache(&build, "CMAKE_CUDA_COMPILER");
        assert_eq!(Path::new(&nvcc), site.farm.join("bin/nvcc"));
        assert_eq!(cache(&build, "CMAKE_CUDA_ARCHITECTURES"), architectures);
        site.finish(project, site.command(cmake.join("cmake"), &[]));
        assert!(needed(&installed.join("bin/inner")).contains("libcudart.so.13"));
    }
}

#[test]
fn the_farm_on_path_alone() {
    // Right toolkit, and nvcc's own default architecture.
    build_by(on_path, debian_cmake, "75");
}

#[test]
fn our_cmake_alone() {
    build_by(our_cmake, debian_cmake, "90");
}

#[test]
fn the_toolchain_file_alone() {
    build_by(toolchain, pypi_cmake, "90");
}

#[test]
fn the_variable_cudacxx_alone() {
    build_by(cudacxx, pypi_cmake, "75");
}

#[test]
fn the_toolchain_file_reaches_an_external_project() {
    let site = Site::split(&["--capabilities", "9.0"]);
    let project = "external-project";
    let cmake = pypi_cmake();
    let installed = site.configure(project, &mut toolchain(&site, &cmake));
    site.finish(project, toolchain(&site, &cmake));
    assert!(needed(&installed.join("bin/inner")).contains("libcudart.so.13"));
    let inner = site.path("external-project-build/inner-prefix/src/inner-build");
    assert_eq!(cache(&inner, "CMAKE_CUDA_ARCHITECTURES"), "90");
}

#[test]
fn cmake_args_alone() {
    let site = Site::split(&["--capabilities", "9.0"]);
    let mut build = site.command("/usr/bin/python3", &[&debian_cmake()]);
    let initial = site.farm.join(INITIAL_CACHE);
    build.env("CMAKE_ARGS", format!("-C {}", initial.display()));
    build.env("SKBUILD_BUILD_DIR", site.path("skbuild"));
    let unpacked = site.wheel(&mut build);
    assert_eq!(
        cache(&site.path("skbuild"), "CMAKE_CUDA_ARCHITECTURES"),
        "90"
    );
    assert!(needed(&unpacked.join("cuda_fixup_sample/libkernels.so")).contains("libcudart.so.13"));
}

/// The implicit link directories of nvcc's host compiler, as CMake has found them.
fn implicit_directories(build: &Path) -> Vec<String> {
    let files = fs::read_dir(build.join("CMakeFiles")).unwrap();
    let mut files = files.map(|entry| entry.unwrap().path().join("CMakeCUDACompiler.cmake"));
    let file = files.find(|file| file.exists()).unwrap();
    let text = fs::read_to_string(file).unwrap();
    let line = text
        .lines()
        .find(|line| line.starts_with("set(CMAKE_CUDA_IMPLICIT_LINK_DIRECTORIES "))
        .unwrap();
    let list = line.split('"').nth(1).unwrap();
    list.split(';').map(str::to_owned).collect()
}

/// The first two numbers of a CMake's version.
fn version(cmake: &Path) -> (u32, u32) {
    let said = succeeded(&output(Command::new(cmake.join("cmake")).arg("--version")));
    let words = said.lines().next().unwrap().split([' ', '.']);
    let numbers: Vec<u32> = words.filter_map(|word| word.parse().ok()).collect();
    (numbers[0], numbers[1])
}

#[test]
fn link_directories_are_excluded_by_a_cmake_that_can() {
    let site = Site::split(&[]);
    let configure = |cmake: &mut Command| {
        let project = "external-project/inner";
        site.configure(project, cmake);
        let build = site.path(&format!("{project}-build"));
        let directories = implicit_directories(&build);
        fs::remove_dir_all(build).unwrap();
        directories
    };
    let all = configure(&mut on_path(&site, &pypi_cmake()));
    let of_compiler = all.iter().find(|dir| dir.contains("/gcc/")).unwrap();
    let args = ["--exclude-link-directory", of_compiler];
    succeeded(&farm(&site.farm, &args, &Toolkit::pypi().prefixes));
    let mut rest = all.clone();
    rest.retain(|dir| dir != of_compiler);
    assert_eq!(configure(&mut our_cmake(&site, &pypi_cmake())), rest);
    assert_eq!(configure(&mut toolchain(&site, &pypi_cmake())), rest);
    // Before 3.27 CMake does not read the variable: the RUNPATHs are fixup's to clean.
    let want = if version(&debian_cmake()) < (3, 27) {
        all
    } else {
        rest
    };
    assert_eq!(configure(&mut our_cmake(&site, &debian_cmake())), want);
}

/// What docs/cmake.md says that a split toolkit without a farm comes to.
#[test]
fn without_a_farm_it_fails_with_the_words_of_the_docs() {
    let docs = fs::read_to_string(root().join("docs/cmake.md")).unwrap();
    let site = Site::split(&[]);
    let nvcc = Toolkit::pypi().prefixes[0].join("bin/nvcc");
    let mut configure = site.command(pypi_cmake().join("cmake"), &[]);
    configure.env("CUDACXX", nvcc).arg("-B").arg(site.path("b"));
    configure
        .arg("-S")
        .arg(root().join("testdata/cmake/toolkit"));
    let told = failed(&output(&mut configure), 1);
    let error = docs
        .lines()
        .map(str::trim)
        .find(|line| line.contains("cuda_runtime.h: No such file") && !line.contains('|'))
        .unwrap();
    assert!(told.contains(error), "{told}");
}

//! Every kind of project, with every toolkit, in one prefix and in several, by both CMakes, the
//! environment scrubbed. The short run has CUDA 13.5 alone, takes each project once, and each layout and CMake at least twice.

use crate::cmake::site::{DRIVER_LINK, Site, debian_cmake, needed, output, pypi_cmake, runpath};
use crate::support::{Toolkit, long};
use std::path::{Path, PathBuf};
use std::process::Command;

/// One cell.
struct Case {
    toolkit: Toolkit,
    merged: bool,
    cmake: PathBuf,
}

/// What a project is built by: the first layout and this CMake, or in the long test all of these
/// layouts, both CMakes and every toolkit.
fn cases(layouts: &[bool], cmake: fn() -> PathBuf) -> Vec<Case> {
    let (layouts, cmakes) = match long() {
        true => (layouts, vec![debian_cmake(), pypi_cmake()]),
        false => (&layouts[..1], vec![cmake()]),
    };
    let mut cases = Vec::new();
    for toolkit in Toolkit::all() {
        for &merged in layouts {
            cases.extend(cmakes.iter().map(|cmake| Case {
                toolkit: toolkit.clone(),
                merged,
                cmake: cmake.clone(),
            }));
        }
    }
    cases
}

impl Case {
    /// Names the case, for the message of a later failure.
    fn site(&self, args: &[&str]) -> Site {
        let layout = if self.merged { "one prefix" } else { "several" };
        let (cuda, cmake) = (self.toolkit.cuda, self.cmake.display());
        println!("CUDA {cuda}, {layout}, {cmake}");
        Site::new(&self.toolkit, self.merged, args)
    }

    fn runtime_soname(&self) -> String {
        format!("libcudart.so.{}", self.toolkit.runtime)
    }
}

/// What every installed program of the project `toolkit` must be.
fn check_toolkit(installed: &Path, site: &Site, toolkit: &Toolkit) {
    let bin = installed.join("bin");
    for (name, shared) in [
        ("language_shared", true),
        ("language_static", false),
        ("host_shared", true),
        ("host_static", false),
        ("separable", false),
        ("nested", false),
    ] {
        let needed = needed(&bin.join(name));
        assert_eq!(needed.contains("libcudart.so"), shared, "{name}: {needed}");
    }
    assert!(needed(&bin.join("driver")).contains("libcuda.so.1"));
    // The driver is looked for by what contains a static cudart or needs it by name.
    for name in ["language_static", "host_static", "driver"] {
        let runpath = runpath(&bin.join(name));
        assert!(runpath.starts_with(DRIVER_LINK), "{name}: {runpath}");
    }
    // Without a device: the runtime is there and answers.
    let run = output(&mut Command::new(bin.join("host_static")));
    toolkit.has_answered(&run);
    // Its RUNPATH, which named the farm, is that of the prefix now.
    let shared = runpath(&bin.join("host_shared"));
    assert!(shared.contains(site.runtime.to_str().unwrap()), "{shared}");
    let shared = output(&mut Command::new(bin.join("host_shared")));
    toolkit.has_answered(&shared);
}

fn build_toolkit(case: &Case) {
    let site = case.site(&[]);
    let installed = site.build("toolkit", &case.cmake, &[]);
    check_toolkit(&installed, &site, &case.toolkit);
}

#[test]
fn every_way_to_meet_a_toolkit_in_several_prefixes() {
    for case in cases(&[false], debian_cmake) {
        build_toolkit(&case);
    }
}

#[test]
fn every_way_to_meet_a_toolkit_in_one_prefix() {
    for case in cases(&[true], pypi_cmake) {
        build_toolkit(&case);
    }
}

/// CMake has FindCUDA until 3.27.
#[test]
fn find_cuda_of_old() {
    for case in cases(&[false, true], debian_cmake) {
        if case.cmake != debian_cmake() {
            continue;
        }
        let site = case.site(&["--cuda-runtime", "shared"]);
        let installed = site.build("find-cuda", &case.cmake, &[]);
        for name in ["legacy", "legacy_host"] {
            let needed = needed(&installed.join("bin").join(name));
            assert!(needed.contains(&case.runtime_soname()), "{name}: {needed}");
        }
        assert!(installed.join("bin/legacy_separable").exists());
        assert!(installed.join("bin/legacy_nested").exists());
    }
}

#[test]
fn a_project_that_builds_another() {
    for case in cases(&[false, true], pypi_cmake) {
        let site = case.site(&[]);
        let mut configure = site.scrubbed("cmake", &case.cmake);
        let installed = site.configure("external-project", &mut configure);
        // The inner project is configured now, by the real cmake: it has PATH to find nvcc by.
        let bin = site.farm.join("bin");
        site.finish(
            "external-project",
            site.command(case.cmake.join("cmake"), &[&bin]),
        );
        let needed = needed(&installed.join("bin/inner"));
        assert!(needed.contains(&case.runtime_soname()), "{needed}");
    }
}

#[test]
fn a_python_package() {
    for case in cases(&[true, false], pypi_cmake) {
        let site = case.site(&[]);
        let unpacked = site.wheel(&mut site.scrubbed("/usr/bin/python3", &case.cmake));
        let needed = needed(&unpacked.join("cuda_fixup_sample/libkernels.so"));
        assert!(needed.contains(&case.runtime_soname()), "{needed}");
    }
}

//! Farms of real toolkits: their contents, and refusals.

use crate::support::{failed, farm, split, split_farm, succeeded, wheel};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

fn all_entries(dir: &Path) -> Vec<(PathBuf, Option<PathBuf>)> {
    let mut entries: Vec<_> = walkdir::WalkDir::new(dir)
        .min_depth(1)
        .into_iter()
        .map(|entry| {
            let path = entry.unwrap().into_path();
            (path.clone(), fs::read_link(&path).ok())
        })
        .collect();
    entries.sort();
    entries
}

#[test]
fn a_split_toolkit_is_laid_out_whole() {
    let (_dir, out) = split_farm();
    for place in [
        "bin/nvcc",
        "bin/nvcc.profile",
        "bin/ptxas",
        "bin/crt/link.stub",
        "nvvm/bin/cicc",
        "nvvm/libdevice/libdevice.10.bc",
        "include/cuda_runtime.h",
        "include/crt/host_config.h",
        "lib/libcudadevrt.a",
        "lib/libcudart.so",
        "lib64/libcudart.so.13",
        "libexec/cuda-fixup/cmake",
    ] {
        assert!(out.join(place).exists(), "{place}");
    }
    let ours = out.join("bin/nvcc").canonicalize().unwrap();
    assert_eq!(
        ours,
        Path::new(crate::support::BINARY).canonicalize().unwrap()
    );
    // NVIDIA's own profile, which says everything relative to itself.
    let profile = out.join("bin/nvcc.profile").canonicalize().unwrap();
    assert!(profile.starts_with(wheel("nvidia-cuda-nvcc-13.5.37")));
}

/// Places of NVIDIA's own layout, and who relies on each.
const LAYOUT: [(&str, &str); 20] = [
    ("bin/nvcc", "CMake, FindCUDA, rules_cuda"),
    ("bin/ptxas", "clang, Triton, XLA, rules_cuda"),
    ("bin/fatbinary", "clang"),
    ("bin/crt/link.stub", "nvcc -rdc=true"),
    ("include/cuda.h", "clang asks it for the version"),
    ("include/crt/host_config.h", "every compilation"),
    (
        "lib64/libcudart.so",
        "Makefiles, PyTorch's cpp_extension, rules_cuda",
    ),
    ("lib64/libcudart_static.a", "Makefiles"),
    ("nvvm/bin/cicc", "nvcc"),
    ("nvvm/libdevice/libdevice.10.bc", "clang, XLA, Numba"),
    (
        "nvvm/lib64/libnvvm.so",
        "nvlink -dlto, Numba: the guide of libNVVM",
    ),
    ("nvvm/include/nvvm.h", "the guide of libNVVM"),
    ("targets/x86_64-linux/include/cuda_runtime.h", "meson"),
    ("targets/x86_64-linux/lib/libcudart.so", "meson"),
    ("targets/x86_64-linux/lib/libcudadevrt.a", "meson"),
    (
        "extras/CUPTI/include/cupti.h",
        "the guide of CUPTI, TensorFlow",
    ),
    (
        "extras/CUPTI/lib64/libcupti.so",
        "the guide of CUPTI, meson",
    ),
    ("extras/CUPTI/lib64/libnvperf_host.so", "the guide of CUPTI"),
    ("include/cupti.h", "PyTorch"),
    ("version.json", "CMake, JAX"),
];

#[test]
fn the_layout_is_nvidias_own() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().canonicalize().unwrap().join("farm");
    let cupti = wheel("nvidia-cuda-cupti-13.5.25").join("nvidia/cu13");
    let prefixes = [split(), vec![cupti]].concat();
    let map = succeeded(&farm(&out, &[], &prefixes));
    for (place, user) in LAYOUT {
        assert!(out.join(place).exists(), "{place}, for {user}");
    }
    let version = fs::read_to_string(out.join("version.json")).unwrap();
    let version: serde_json::Value = crate::support::schema::parsed(&version);
    assert_eq!(version["cuda"]["version"], "13.5.0");
    assert_eq!(version["cuda_nvcc"]["version"], "13.5.37");
    // A reference to any of these directories in a package can be rewritten.
    for place in [
        "lib64",
        "nvvm/lib64",
        "targets/x86_64-linux/lib",
        "targets/x86_64-linux/include",
        "extras/CUPTI/lib64",
    ] {
        let start = format!("{}=/", out.join(place).display());
        assert!(map.lines().any(|line| line.starts_with(&start)), "{map}");
    }
    let nvvm = format!(
        "{}={}",
        out.join("nvvm/lib64").display(),
        split()[1].join("lib").display()
    );
    assert!(map.lines().any(|line| line == nvvm), "{map}");
}

/// The same package taken apart as each source has it: archives of redistributables keep libNVVM
/// in nvvm/lib64, the installer headers and libraries in targets, wheels neither.
#[test]
fn all_sources_lead_to_one_layout() {
    let dir = tempfile::tempdir().unwrap();
    let base = dir.path().canonicalize().unwrap();
    let places = |prefixes: &[PathBuf], name: &str| -> Vec<PathBuf> {
        let out = base.join(name);
        succeeded(&farm(&out, &[], prefixes));
        let files = walkdir::WalkDir::new(&out).follow_links(true).into_iter();
        let mut places: Vec<PathBuf> = files
            .map(|entry| entry.unwrap().path().strip_prefix(&out).unwrap().to_owned())
            .collect();
        // Wheels have libNVVM beside all other libraries, too.
        places.retain(|place| !place.ends_with("nvvm.h") || place.starts_with("nvvm"));
        places.retain(|place| {
            let name = place.file_name().unwrap_or_default().to_string_lossy();
            !name.starts_with("libnvvm.so") || place.starts_with("nvvm")
        });
        places.sort();
        places
    };
    let wheels = places(&split(), "of-wheels");
    let archive = crate::support::merged(&split(), &base.join("archive"));
    fs::create_dir(archive.join("nvvm/lib64")).unwrap();
    fs::create_dir(archive.join("nvvm/include")).unwrap();
    let nvvm = archive.join("nvvm/lib64/libnvvm.so");
    fs::rename(
        archive.join("lib/libnvvm.so.4"),
        nvvm.with_extension("so.4"),
    )
    .unwrap();
    symlink("libnvvm.so.4", &nvvm).unwrap();
    let header = archive.join("nvvm/include/nvvm.h");
    fs::rename(archive.join("include/nvvm.h"), header).unwrap();
    let archives = std::slice::from_ref(&archive);
    assert_eq!(places(archives, "of-an-archive"), wheels);
    let target = archive.join("targets/x86_64-linux");
    fs::create_dir_all(&target).unwrap();
    for (from, link) in [("include", "include"), ("lib", "lib64")] {
        fs::rename(archive.join(from), target.join(from)).unwrap();
        symlink(format!("targets/x86_64-linux/{from}"), archive.join(link)).unwrap();
    }
    assert_eq!(places(archives, "of-an-installation"), wheels);
}

/// What Debian's nvidia-cuda-toolkit has in the place of NVIDIA's layout, /usr/lib/cuda, and more.
#[test]
fn debians_layout_is_in_the_farm() {
    if !crate::support::long() {
        return;
    }
    for toolkit in &crate::support::Toolkit::all()[1..] {
        let (_dir, out) = toolkit.farm(&[]);
        let theirs = toolkit.prefixes[0].join("lib/cuda");
        let entries = walkdir::WalkDir::new(&theirs).min_depth(1);
        let entries: Vec<_> = entries.into_iter().map(Result::unwrap).collect();
        assert!(entries.len() > 4, "{entries:?}");
        for entry in entries {
            let place = entry.path().strip_prefix(&theirs).unwrap();
            assert!(out.join(place).exists(), "{}", place.display());
        }
        // libNVVM is in a package of its own there, and CUPTI too.
        for (place, user) in LAYOUT {
            let elsewhere = place.contains("nvvm.") || place.contains("CUPTI");
            let elsewhere = elsewhere || place == "include/cupti.h";
            assert!(elsewhere || out.join(place).exists(), "{place}, for {user}");
        }
    }
}

#[test]
fn the_map_names_the_real_prefixes() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().canonicalize().unwrap().join("farm");
    let map = succeeded(&farm(&out, &[], &split()));
    let lib = |prefix: &PathBuf| prefix.join("lib").display().to_string();
    let expected = format!(
        "{}={}:{}",
        out.join("lib").display(),
        lib(&split()[1]),
        lib(&split()[3])
    );
    assert!(map.lines().any(|line| line == expected), "{map}");
    let lib64 = format!("{}={}:", out.join("lib64").display(), lib(&split()[1]));
    assert!(map.lines().any(|line| line.starts_with(&lib64)), "{map}");
}

/// `targets/x86_64-linux/lib` leads to `../../lib`, which is something else from the directory in
/// which a build runs.
#[test]
fn the_map_does_not_depend_on_the_current_directory() {
    let dir = tempfile::tempdir().unwrap();
    let top = dir.path().canonicalize().unwrap();
    let inside = top.join("build/source");
    for directory in [&inside, &top.join("lib"), &top.join("include")] {
        fs::create_dir_all(directory).unwrap();
    }
    let map = |cwd: &Path| {
        let mut farm = Command::new(crate::support::BINARY);
        farm.args(["toolkit", "farm", "--out"])
            .arg(top.join("farm"))
            .args(split());
        succeeded(&farm.current_dir(cwd).output().unwrap())
    };
    let expected = map(&top);
    assert_eq!(map(&inside), expected);
    assert!(!expected.contains("=.."), "{expected}");
}

#[test]
fn a_second_run_writes_nothing_and_another_one_what_differs() {
    let (_dir, out) = split_farm();
    let before = all_entries(&out);
    let again = farm(&out, &[], &split());
    succeeded(&again);
    let told = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(told.contains(", 0 written"), "{told}");
    assert_eq!(all_entries(&out), before);

    // Without the runtime its headers go; the same as a fresh farm of the rest.
    let fewer = [
        &split()[..3],
        &[wheel("nvidia-nvjitlink-13.5.37").join("nvidia/cu13")],
    ]
    .concat();
    succeeded(&farm(&out, &[], &fewer));
    assert!(!out.join("include/cuda_runtime.h").exists());
    assert!(out.join("lib/libnvJitLink.so").exists());
    let (fresh_dir, fresh) = split_farm();
    fs::remove_dir_all(&fresh).unwrap();
    succeeded(&farm(&fresh, &[], &fewer));
    let places = |dir: &Path| -> Vec<_> {
        let entries = all_entries(dir).into_iter();
        entries
            .map(|(path, to)| (path.strip_prefix(dir).unwrap().to_owned(), to))
            .collect()
    };
    assert_eq!(places(&out), places(&fresh));
    drop(fresh_dir);
}

#[test]
fn relative_links_move_with_their_prefixes() {
    let dir = tempfile::tempdir().unwrap();
    let base = dir.path().join("here");
    fs::create_dir_all(&base).unwrap();
    let prefix = crate::support::merged(&split(), &base.join("toolkit"));
    succeeded(&farm(&base.join("farm"), &["--relative"], &[prefix]));
    for (path, target) in all_entries(&base.join("farm")) {
        let program = path.ends_with("bin/nvcc") || path.ends_with("cuda-fixup/cmake");
        if let Some(target) = target.filter(|_| !program) {
            assert!(
                target.is_relative(),
                "{} -> {}",
                path.display(),
                target.display()
            );
        }
    }
    let there = dir.path().join("there");
    fs::rename(&base, &there).unwrap();
    assert!(there.join("farm/include/cuda.h").exists());
}

#[test]
fn files_of_two_prefixes_for_one_place() {
    let (dir, out) = split_farm();
    let other = dir.path().canonicalize().unwrap().join("other");
    fs::create_dir_all(other.join("include")).unwrap();
    let header = split()[3].join("include/cuda_fp16.h");
    fs::copy(&header, other.join("include/cuda_fp16.h")).unwrap();
    let both = [split(), vec![other.clone()]].concat();
    succeeded(&farm(&out, &[], &both));
    fs::write(other.join("include/cuda_fp16.h"), "another one\n").unwrap();
    let told = failed(&farm(&out, &[], &both), 2);
    for expected in [
        "include/cuda_fp16.h",
        header.to_str().unwrap(),
        other.join("include/cuda_fp16.h").to_str().unwrap(),
    ] {
        assert!(told.contains(expected), "{told}");
    }
    // A file where the other has a directory.
    fs::remove_dir_all(other.join("include")).unwrap();
    fs::create_dir_all(other.join("include")).unwrap();
    fs::write(other.join("include/crt"), "").unwrap();
    assert!(failed(&farm(&out, &[], &both), 2).contains("include/crt"));
}

#[test]
fn two_cuda_versions_are_refused() {
    let (_dir, out) = split_farm();
    let older = wheel("nvidia-cuda-runtime-cu12-12.9.79").join("nvidia/cuda_runtime");
    let told = failed(
        &farm(&out, &[], &[split(), vec![older.clone()]].concat()),
        2,
    );
    let header = older.join("include/cuda.h");
    assert!(
        told.contains("13.5") && told.contains("12.9") && told.contains(header.to_str().unwrap()),
        "{told}"
    );
}

#[test]
fn a_device_runtime_newer_than_nvcc_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let newer = dir.path().canonicalize().unwrap().join("newer");
    fs::create_dir_all(newer.join("lib")).unwrap();
    let mut archive = fs::read(split()[3].join("lib/libcudadevrt.a")).unwrap();
    // PTX of ISA 9.5 (kind 1, version 0x101, header 0x70), made 9.9.
    let head = [1, 0, 1, 1, 0x70, 0, 0, 0];
    let at = archive.windows(8).position(|w| w == head).unwrap();
    assert_eq!(archive[at + 0x18..at + 0x1c], [5, 0, 9, 0]);
    archive[at + 0x18] = 9;
    fs::write(newer.join("lib/libcudadevrt.a"), archive).unwrap();
    let mut prefixes = split();
    prefixes[3] = newer.clone();
    let out = dir.path().join("farm");
    let told = failed(&farm(&out, &[], &prefixes), 2);
    assert!(
        told.contains("13.9") && told.contains("newer than toolkit"),
        "{told}"
    );
    assert!(
        told.contains(newer.to_str().unwrap()) && told.contains("bin/nvcc"),
        "{told}"
    );
}

#[test]
fn directories_that_are_not_for_farms() {
    let (dir, out) = split_farm();
    let mine = dir.path().join("mine");
    fs::create_dir(&mine).unwrap();
    fs::write(mine.join("thesis.tex"), "").unwrap();
    assert!(failed(&farm(&mine, &[], &split()), 2).contains("is there and is no farm"));
    assert!(mine.join("thesis.tex").exists());
    let second = dir.path().join("second");
    assert!(failed(&farm(&second, &[], &[out]), 2).contains("is a farm itself"));
    assert!(failed(&farm(&second, &[], &["/usr".into()]), 2).contains("the system's headers"));
    assert!(failed(&farm(&second, &[], &[mine]), 2).contains("nothing of a CUDA toolkit"));
    assert!(failed(&farm(&second, &[], &[dir.path().join("no")]), 2).contains("no"));
}

#[test]
fn a_farm_without_nvcc_knows_its_version_from_cuda_h() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("farm");
    let wheel = wheel("nvidia-cuda-runtime-cu12-12.9.79").join("nvidia/cuda_runtime");
    let record = succeeded(&farm(
        &out,
        &["--json", "--capabilities", "9.0;10.0f"],
        &[wheel],
    ));
    let record: serde_json::Value = crate::support::schema::parsed(&record);
    assert_eq!(record["cudaVersion"], "12.9");
    assert_eq!(record["nvcc"], serde_json::Value::Null);
    assert_eq!(record["cmakeCudaArchitectures"], "90;100f-real");
    assert!(!out.join("bin/nvcc").exists());
    assert!(out.join("lib/libcudart.so").exists());
}

#[test]
fn capabilities_are_checked_when_the_farm_is_made() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("farm");
    let told = failed(&farm(&out, &["--capabilities", "7.0 9.0"], &split()), 2);
    assert!(
        told.contains("compute capability 7.0 was last known to CUDA 12.9"),
        "{told}"
    );
    assert!(!out.exists());
}

#[test]
fn dangling_links_and_loops_end() {
    let dir = tempfile::tempdir().unwrap();
    let base = dir.path().canonicalize().unwrap();
    let odd = base.join("odd");
    fs::create_dir_all(odd.join("lib")).unwrap();
    symlink("libgone.so.1", odd.join("lib/libgone.so")).unwrap();
    symlink(".", odd.join("lib/itself")).unwrap();
    let twin = base.join("twin");
    fs::create_dir_all(twin.join("lib")).unwrap();
    symlink(".", twin.join("lib/itself")).unwrap();
    let out = base.join("farm");
    succeeded(&farm(&out, &[], &[split(), vec![odd.clone()]].concat()));
    assert!(fs::symlink_metadata(out.join("lib/libgone.so")).is_err());
    let told = failed(&farm(&out, &[], &[split(), vec![odd, twin]].concat()), 2);
    assert!(told.contains("directories deep"), "{told}");
}

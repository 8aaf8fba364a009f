//! Makes CMake find a farm: writes the files that `-C` and the toolchain file read, and recognizes
//! the command lines of cmake that configure a project.

use super::farm::FarmRequest;
use super::record::{Record, Runtime};
use std::ffi::OsString;
use std::path::Path;

/// For `cmake -C`.
pub(crate) const INITIAL_CACHE: &str = "share/cuda-fixup/initial-cache.cmake";
/// For CMAKE_TOOLCHAIN_FILE.
pub(crate) const TOOLCHAIN: &str = "share/cuda-fixup/toolchain.cmake";

/// Arguments that make a call something other than a configure run, in any position.
const ANYWHERE: [&str; 12] = [
    "-N",
    "-P",
    "-h",
    "-H",
    "--help",
    "-help",
    "-usage",
    "--usage",
    "--version",
    "-version",
    "/V",
    "--find-package",
];
/// The same for a first argument.
const FIRST: [&str; 6] = [
    "-E",
    "--build",
    "--install",
    "--open",
    "--workflow",
    "--print-config-dir",
];
/// Arguments whose value may be the next argument, which then is no option.
const WITH_VALUE: [&str; 11] = [
    "-D",
    "-C",
    "-S",
    "-B",
    "-G",
    "-T",
    "-A",
    "-U",
    "--preset",
    "--toolchain",
    "--install-prefix",
];

/// Whether cmake, called with these arguments, configures a project.
pub(crate) fn configures(args: &[OsString]) -> bool {
    let first = args.first().and_then(|arg| arg.to_str());
    if args.is_empty() || first.is_some_and(|first| FIRST.contains(&first)) {
        return false;
    }
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        // Invalid UTF-8 is a directory or a value, never one of cmake's options.
        let Some(arg) = arg.to_str() else { continue };
        if WITH_VALUE.contains(&arg) {
            args.next();
            continue;
        }
        let other = ANYWHERE.contains(&arg)
            || ["--help-", "--list-presets", "--system-information"]
                .iter()
                .any(|start| arg.starts_with(start));
        if other {
            return false;
        }
    }
    true
}

/// The values of a variable that `-D` sets, the last one last.
pub(crate) fn defined<'a>(args: &'a [OsString], name: &str) -> Vec<&'a str> {
    let mut values = Vec::new();
    let mut args = args.iter().filter_map(|arg| arg.to_str());
    while let Some(arg) = args.next() {
        let definition = match arg.strip_prefix("-D") {
            Some("") => args.next(),
            other => other,
        };
        let Some((variable, value)) = definition.and_then(|d| d.split_once('=')) else {
            continue;
        };
        if variable.split(':').next() == Some(name) {
            values.push(value);
        }
    }
    values
}

/// A setting: its names in the cache and in the environment, and its value.
struct Setting {
    variable: &'static str,
    kind: &'static str,
    environment: Option<&'static str>,
    value: String,
}

fn settings(request: &FarmRequest, record: &Record) -> Vec<Setting> {
    let root = text(&request.out);
    let mut settings = Vec::new();
    let mut add = |variable, kind, environment, value: String| {
        settings.push(Setting {
            variable,
            kind,
            environment,
            value,
        });
    };
    if record.nvcc.is_some() {
        let nvcc = text(&request.out.join("bin/nvcc"));
        add("CMAKE_CUDA_COMPILER", "FILEPATH", Some("CUDACXX"), nvcc);
    }
    if let Some(compiler) = &record.host_compiler {
        // The second is FindCUDA's, which defaults to the project's C compiler.
        for variable in ["CMAKE_CUDA_HOST_COMPILER", "CUDA_HOST_COMPILER"] {
            add(variable, "FILEPATH", Some("CUDAHOSTCXX"), text(compiler));
        }
    }
    if let Some(list) = &record.cmake_cuda_architectures {
        add(
            "CMAKE_CUDA_ARCHITECTURES",
            "STRING",
            Some("CUDAARCHS"),
            list.clone(),
        );
    }
    add(
        "CUDAToolkit_ROOT",
        "PATH",
        Some("CUDAToolkit_ROOT"),
        root.clone(),
    );
    // FindCUDA, which CMake had until 3.27 and which some projects still bundle.
    add("CUDA_TOOLKIT_ROOT_DIR", "PATH", None, root);
    if let Some(runtime) = record.cuda_runtime {
        let (name, is_static) = match runtime {
            Runtime::Shared => ("Shared", "OFF"),
            Runtime::Static => ("Static", "ON"),
        };
        add("CMAKE_CUDA_RUNTIME_LIBRARY", "STRING", None, name.into());
        add(
            "CUDA_USE_STATIC_CUDA_RUNTIME",
            "BOOL",
            None,
            is_static.into(),
        );
    }
    settings
}

/// The file for `-C`: it sets variables that are still unset. `-D` and cached values of a build
/// tree take precedence.
pub(crate) fn initial_cache(request: &FarmRequest, record: &Record) -> String {
    let mut file = String::from("# Made by cuda-fixup toolkit farm: see docs/cmake.md.\n");
    for setting in settings(request, record) {
        let (name, value) = (setting.variable, quoted(&setting.value));
        let set = format!("set({name} {value} CACHE {} \"\")\n", setting.kind);
        file += &match setting.environment {
            Some(variable) => format!("if(NOT DEFINED ENV{{{variable}}})\n  {set}endif()\n"),
            None => set,
        };
    }
    file += &excluded(request);
    file
}

/// The same for CMAKE_TOOLCHAIN_FILE, which is read at each `project` and in each `try_compile`.
pub(crate) fn toolchain(request: &FarmRequest, record: &Record) -> String {
    let mut file = String::from("# Made by cuda-fixup toolkit farm: see docs/cmake.md.\n");
    for setting in settings(request, record) {
        let (name, value) = (setting.variable, quoted(&setting.value));
        let mut unset = format!("NOT DEFINED {name}");
        if let Some(variable) = setting.environment {
            unset += &format!(" AND NOT DEFINED ENV{{{variable}}}");
        }
        file += &format!(
            "if({unset})\n  set({name} {value} CACHE {} \"\")\nendif()\n",
            setting.kind
        );
    }
    file += &excluded(request);
    file
}

/// CMake reads these from the environment only.
fn excluded(request: &FarmRequest) -> String {
    if request.exclude_link_directories.is_empty() {
        return String::new();
    }
    let list: Vec<String> = request
        .exclude_link_directories
        .iter()
        .map(|d| text(d))
        .collect();
    let list = quoted(&list.join(";"));
    format!(
        "foreach(language C CXX CUDA)\n  \
         set(ENV{{CMAKE_${{language}}_IMPLICIT_LINK_DIRECTORIES_EXCLUDE}} {list})\n\
         endforeach()\n"
    )
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// A quoted argument of CMake's language.
fn quoted(value: &str) -> String {
    let mut quoted = String::from("\"");
    for c in value.chars() {
        if matches!(c, '"' | '\\' | '$') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(line: &str) -> Vec<OsString> {
        line.split_whitespace().map(OsString::from).collect()
    }

    #[test]
    fn configures_are_told_from_the_rest() {
        for line in [
            "..",
            "-S . -B build -G Ninja",
            "--preset release",
            "-DX=1 -L ..",
            "-C other.cmake .",
            "-D --build -S .",
            "--fresh build",
            "-B --version",
        ] {
            assert!(configures(&args(line)), "{line}");
        }
        for line in [
            "",
            "--build build",
            "--install build",
            "--open build",
            "-E env X=1 true",
            "-DX=1 -P script.cmake",
            "--find-package -DNAME=X",
            "--version",
            "--help",
            "--help-module FindCUDAToolkit",
            "--list-presets",
            "--list-presets=all",
            "--workflow --preset x",
            "-N -L .",
        ] {
            assert!(!configures(&args(line)), "{line}");
        }
    }

    #[test]
    fn definitions_in_both_spellings() {
        let args = args("-DA=1 -D A:STRING=native -DAB=3 -D B=4 -DC");
        assert_eq!(defined(&args, "A"), ["1", "native"]);
        assert_eq!(defined(&args, "B"), ["4"]);
        assert_eq!(defined(&args, "C"), [""; 0]);
    }

    #[test]
    fn values_stay_values() {
        assert_eq!(quoted("a b;$c\"\\"), r#""a b;\$c\"\\""#);
    }
}

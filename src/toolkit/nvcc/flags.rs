//! Reads nvcc's flags, as far as they matter here, wherever they are said.

use super::words::split;
use crate::cuda::Capability;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};

/// Option files are text of some lines.
const MAX_OPTION_FILE: u64 = 1 << 20;
/// Option files may name further ones.
const MAX_DEPTH: usize = 8;

/// Options whose value may be the next argument and could look like an architecture's flag.
const WITH_VALUE: [&str; 42] = [
    "-Xcompiler",
    "--compiler-options",
    "-Xlinker",
    "--linker-options",
    "-Xarchive",
    "--archive-options",
    "-Xptxas",
    "--ptxas-options",
    "-Xnvlink",
    "--nvlink-options",
    "-Xcudafe",
    "--cudafe-options",
    "-Xcicc",
    "--cicc-options",
    "-Xtileiras",
    "--tileiras-options",
    "-Xnvprune",
    "--nvprune-options",
    "-o",
    "--output-file",
    "-odir",
    "--output-directory",
    "-I",
    "--include-path",
    "-isystem",
    "--system-include",
    "-include",
    "--pre-include",
    "-L",
    "--library-path",
    "-l",
    "--library",
    "-D",
    "--define-macro",
    "-U",
    "--undefine-macro",
    "-MF",
    "--dependency-output",
    "-MT",
    "--dependency-target-name",
    "-run-args",
    "--run-args",
];

/// Calls that only ask: nothing is compiled, so nothing is checked and nothing added.
const QUESTIONS: [&str; 12] = [
    "--version",
    "-V",
    "--help",
    "-h",
    "--list-gpu-code",
    "-code-ls",
    "--list-gpu-arch",
    "-arch-ls",
    "--list-gpu-arch-ls",
    "-hls",
    "--help-all",
    "__cmake_determine_cuda",
];

/// An architecture that some flag asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub capability: Capability,
    /// The flag, and its source if that isn't the command line.
    pub by: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flags {
    /// Every architecture, in order.
    pub architectures: Vec<Asked>,
    /// The flag that asks for the GPU of this machine.
    pub native: Option<String>,
    /// The last -ccbin.
    pub host_compiler: Option<String>,
    /// -allow-unsupported-compiler
    pub allow_unsupported_compiler: bool,
    /// -compress-all is there already.
    pub compresses: bool,
    /// Nothing is to be compiled.
    pub only_asks: bool,
}

impl Flags {
    /// Reads NVCC_PREPEND_FLAGS, the arguments and NVCC_APPEND_FLAGS, in this order as nvcc does.
    pub(crate) fn read(
        prepended: Option<OsString>,
        args: &[OsString],
        appended: Option<OsString>,
    ) -> Flags {
        let mut flags = Flags {
            only_asks: args.is_empty(),
            ..Flags::default()
        };
        let words = |value: OsString| split(&value.to_string_lossy());
        if let Some(value) = prepended {
            flags.scan(&words(value), " of NVCC_PREPEND_FLAGS", 0);
        }
        let args: Vec<String> = args.iter().map(|a| a.to_string_lossy().into()).collect();
        flags.scan(&args, "", 0);
        if let Some(value) = appended {
            flags.scan(&words(value), " of NVCC_APPEND_FLAGS", 0);
        }
        flags
    }

    fn scan(&mut self, words: &[String], place: &str, depth: usize) {
        let mut words = words.iter().map(String::as_str);
        while let Some(word) = words.next() {
            if WITH_VALUE.contains(&word) {
                words.next();
                continue;
            }
            if QUESTIONS.contains(&word) {
                self.only_asks = true;
                continue;
            }
            // `-arch=x` and `-arch x` are the same.
            let (name, joined) = match word.split_once('=') {
                Some((name, value)) if word.starts_with('-') => (name, Some(value)),
                _ => (word, None),
            };
            let mut value = || joined.or_else(|| words.next()).unwrap_or_default();
            match name {
                "-arch" | "--gpu-architecture" | "-code" | "--gpu-code" | "-gencode"
                | "--generate-code" => {
                    let value = value();
                    self.architecture(value, &format!("{name}={value}{place}"));
                }
                "-ccbin" | "--compiler-bindir" => self.host_compiler = Some(value().to_owned()),
                "-allow-unsupported-compiler" | "--allow-unsupported-compiler" => {
                    self.allow_unsupported_compiler = true;
                }
                "-Xfatbin" | "--fatbin-options" => {
                    self.compresses |= value().contains("compress-all");
                }
                "-optf" | "--options-file" => {
                    for file in value().split(',') {
                        self.option_file(file, depth);
                    }
                }
                _ => {}
            }
        }
    }

    /// `sm_90a`, `arch=compute_90,code=[sm_90,compute_90]`, `all-major`.
    fn architecture(&mut self, value: &str, by: &str) {
        for name in value.split(|c: char| !c.is_ascii_alphanumeric() && !"_-".contains(c)) {
            if name == "native" {
                self.native = Some(by.to_owned());
            } else if let Some(capability) = Capability::from_architecture(name) {
                self.architectures.push(Asked {
                    capability,
                    by: by.to_owned(),
                });
            }
        }
    }

    fn option_file(&mut self, file: &str, depth: usize) {
        // nvcc itself reports a missing file.
        if let (Ok(text), true) = (read(file), depth < MAX_DEPTH) {
            self.scan(&split(&text), &format!(" of {file}"), depth + 1);
        }
    }
}

fn read(file: &str) -> io::Result<String> {
    let mut text = Vec::new();
    File::open(file)?
        .take(MAX_OPTION_FILE)
        .read_to_end(&mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn read_line(line: &str) -> Flags {
        let args: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        Flags::read(None, &args, None)
    }

    fn architectures(flags: &Flags) -> Vec<String> {
        let asked = flags.architectures.iter();
        asked.map(|a| a.capability.digits()).collect()
    }

    #[test]
    fn every_spelling_of_an_architecture() {
        for (line, expected) in [
            ("-arch=sm_90a x.cu", "90a"),
            ("-arch sm_90 x.cu", "90"),
            (
                "--gpu-architecture=compute_80 --gpu-code=sm_80,sm_86",
                "80 80 86",
            ),
            (
                "-gencode arch=compute_90,code=[sm_90,compute_90]",
                "90 90 90",
            ),
            (
                "-gencode=arch=compute_100f,code=\"sm_100,sm_103\"",
                "100f 100 103",
            ),
            ("--generate-code=arch=compute_75,code=lto_75", "75 75"),
            ("-arch=all-major x.cu", ""),
            ("-Xcompiler -arch=sm_90 -o -arch=sm_80 x.cu", ""),
            ("-Xcompiler=-march=native x.cu", ""),
        ] {
            let flags = read_line(line);
            assert_eq!(architectures(&flags).join(" "), expected, "{line}");
            assert_eq!(flags.native, None, "{line}");
        }
        assert_eq!(
            read_line("-arch native").native.as_deref(),
            Some("-arch=native")
        );
    }

    #[test]
    fn variables_and_option_files_are_looked_into() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(
            file,
            "-ccbin /usr/bin/g++-11\n-gencode arch=compute_50,code=sm_50"
        )
        .unwrap();
        let name = file.path().to_str().unwrap().to_owned();
        let args = [OsString::from("-optf"), name.clone().into(), "x.cu".into()];
        let flags = Flags::read(
            Some("-arch=sm_35".into()),
            &args,
            Some("-arch=sm_121".into()),
        );
        assert_eq!(architectures(&flags).join(" "), "35 50 50 121");
        assert_eq!(
            flags.architectures[0].by,
            "-arch=sm_35 of NVCC_PREPEND_FLAGS"
        );
        assert!(flags.architectures[1].by.ends_with(&format!(" of {name}")));
        assert_eq!(flags.host_compiler.as_deref(), Some("/usr/bin/g++-11"));
        // A file that names itself ends.
        writeln!(file, "-optf {name}").unwrap();
        assert!(!Flags::read(None, &args, None).only_asks);
    }

    #[test]
    fn questions_and_the_rest() {
        for line in [
            "--version",
            "-v __cmake_determine_cuda",
            "--list-gpu-code",
            "-h",
        ] {
            assert!(read_line(line).only_asks, "{line}");
        }
        assert!(Flags::read(None, &[], None).only_asks);
        let flags = read_line(
            "-Xfatbin=-compress-all -allow-unsupported-compiler --compiler-bindir=cc x.cu",
        );
        assert!(flags.compresses && flags.allow_unsupported_compiler && !flags.only_asks);
        assert_eq!(flags.host_compiler.as_deref(), Some("cc"));
        assert!(!read_line("-o --version x.cu").only_asks);
    }
}

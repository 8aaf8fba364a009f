//! Host compilers that each nvcc supports, from `nix/data/nvcc-host-compilers.json`.

use super::CudaVersion;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Whose compiler it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// GNU's.
    Gcc,
    Clang,
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Family::Gcc => "gcc",
            Family::Clang => "clang",
        })
    }
}

/// A compiler as it names itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Compiler {
    pub family: Family,
    /// 12 of 12.2.0
    pub major: u32,
}

impl Compiler {
    /// From the first line of `COMPILER --version`; `None` if it is neither.
    pub fn from_version_text(text: &str) -> Option<Compiler> {
        let line = text.lines().next()?;
        let (family, version) = match line.split_once("clang version ") {
            Some((_, version)) => (Family::Clang, version),
            // `gcc (Debian 12.2.0-14) 12.2.0`: the name, a remark in brackets, the version.
            None if text.contains("Free Software Foundation") => {
                (Family::Gcc, line.rsplit_once(')')?.1.trim_start())
            }
            None => return None,
        };
        let digits = version.split(|c: char| !c.is_ascii_digit()).next()?;
        let major = digits.parse().ok()?;
        Some(Compiler { family, major })
    }
}

/// The newest compilers that one nvcc supports.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Row {
    pub cuda: CudaVersion,
    pub gcc_max: u32,
    pub clang_max: u32,
    /// Source of this row.
    pub source: String,
}

/// Host compilers of every version of nvcc: nix/data/nvcc-host-compilers.json.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostCompilers {
    #[serde(rename = "format")]
    _format: u32,
    /// In order of CUDA version.
    pub toolkits: Vec<Row>,
}

impl HostCompilers {
    /// The table that this program was built with.
    pub fn read() -> Result<HostCompilers, serde_json::Error> {
        serde_json::from_str(include_str!("../../nix/data/nvcc-host-compilers.json"))
    }

    /// Why this nvcc refuses the compiler; `None` if it is supported or not in the table.
    pub fn refusal(&self, cuda: CudaVersion, compiler: Compiler) -> Option<String> {
        let row = self.toolkits.iter().find(|row| row.cuda == cuda)?;
        let max = |row: &Row| match compiler.family {
            Family::Gcc => row.gcc_max,
            Family::Clang => row.clang_max,
        };
        if compiler.major <= max(row) {
            return None;
        }
        let Compiler { family, major } = compiler;
        let since = self.toolkits.iter().find(|row| major <= max(row));
        let newer = match since {
            Some(row) => format!("{family} {major} goes from CUDA {} on", row.cuda),
            None => format!("no CUDA up to here takes {family} {major}"),
        };
        Some(format!(
            "{family} {major} is too new a host compiler for nvcc of CUDA {cuda}, which takes gcc \
             up to {} and clang up to {} ({newer}): name another with -ccbin or NVCC_CCBIN, or \
             pass -allow-unsupported-compiler at your own risk",
            row.gcc_max, row.clang_max
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compilers_name_themselves() {
        let fsf = "\nCopyright (C) 2022 Free Software Foundation, Inc.\n";
        let gcc = |major| {
            Some(Compiler {
                family: Family::Gcc,
                major,
            })
        };
        let of = |line: &str| Compiler::from_version_text(&format!("{line}{fsf}"));
        assert_eq!(of("gcc (Debian 12.2.0-14+deb12u1) 12.2.0"), gcc(12));
        assert_eq!(of("g++ (GCC) 13.3.0"), gcc(13));
        assert_eq!(
            Compiler::from_version_text("Debian clang version 14.0.6\nTarget: x\n"),
            Some(Compiler {
                family: Family::Clang,
                major: 14
            })
        );
        assert_eq!(Compiler::from_version_text("icpc 2021.1\n"), None);
        assert_eq!(Compiler::from_version_text(""), None);
    }

    #[test]
    fn refused_compilers() {
        let table = HostCompilers::read().unwrap();
        let refusal = |cuda: &str, family, major| {
            table.refusal(cuda.parse().unwrap(), Compiler { family, major })
        };
        assert_eq!(refusal("11.8", Family::Gcc, 11), None);
        let text = refusal("11.8", Family::Gcc, 12).unwrap();
        assert!(text.starts_with(
            "gcc 12 is too new a host compiler for nvcc of CUDA 11.8, which takes gcc up to 11 and \
             clang up to 14 (gcc 12 goes from CUDA 12.0 on)"
        ), "{text}");
        assert!(refusal("13.5", Family::Clang, 23).is_some());
        assert_eq!(refusal("13.5", Family::Clang, 22), None);
        assert_eq!(refusal("99.0", Family::Gcc, 99), None);
        assert!(table.toolkits.iter().all(|row| !row.source.is_empty()));
    }
}

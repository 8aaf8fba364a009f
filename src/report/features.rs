//! Features of an archive, for people.

use crate::features::wheels::{Provided, Suit, Verdict};
use crate::features::{CudartFeature, ElfFeatures, Executable, Features, Floor, ImageSet};
use crate::terminal::Paint;
use std::io::{self, Write};

/// A paragraph: one line for the archive, a block for each library and program, lists.
pub(crate) fn write_features(out: &mut impl Write, features: &Features) -> io::Result<()> {
    writeln!(out, "{}", features.path)?;
    if !features.prefix.is_empty() {
        writeln!(out, "  prefix {}", features.prefix)?;
    }
    writeln!(out, "  outputs {}", features.outputs.join(" "))?;
    if !features.cuda_folders.is_empty() {
        writeln!(out, "  for CUDA {}", features.cuda_folders.join(", "))?;
    }
    write_floor(out, "  ", &features.floor)?;
    for library in &features.libraries {
        write_elf(out, "library", library)?;
    }
    for executable in &features.executables {
        match executable {
            Executable::Program(program) => write_elf(out, "program", program)?,
            Executable::Script { path, script } => writeln!(out, "  script {path}: {script}")?,
        }
    }
    for stub in &features.stubs {
        writeln!(out, "  stub {}{}", stub.path, soname(stub))?;
    }
    for file in &features.static_libraries {
        writeln!(out, "  static library {}", file.path)?;
        write_images(out, &file.images)?;
    }
    for file in &features.device_code_files {
        writeln!(out, "  device code {}", file.path)?;
        write_images(out, &file.images)?;
    }
    let headers = &features.headers;
    if headers.count > 0 {
        let top = headers.top.join(", ");
        writeln!(out, "  {} headers: {top}", headers.count)?;
    }
    for path in features.pkg_config.iter().chain(&features.cmake) {
        writeln!(out, "  {path}")?;
    }
    for module in &features.python {
        write!(out, "  Python {} {}", module.kind, module.path)?;
        match &module.python {
            Some(python) => writeln!(out, " for {python}")?,
            None => writeln!(out)?,
        }
    }
    Ok(())
}

fn soname(elf: &ElfFeatures) -> String {
    let soname = elf.soname.as_ref();
    soname.map_or_else(String::new, |soname| format!(" ({soname})"))
}

fn write_elf(out: &mut impl Write, what: &str, elf: &ElfFeatures) -> io::Result<()> {
    writeln!(out, "  {what} {}{}, {}", elf.path, soname(elf), elf.machine)?;
    for (words, list) in [
        ("also", &elf.links),
        ("needs", &elf.needed),
        ("may dlopen", &elf.dlopen),
    ] {
        if !list.is_empty() {
            writeln!(out, "    {words} {}", list.join(", "))?;
        }
    }
    write_images(out, &elf.images)?;
    if let Some(CudartFeature { linkage, version }) = &elf.cudart {
        let version = version.as_deref().unwrap_or("version unknown");
        writeln!(out, "    cudart: {linkage}, {version}")?;
    }
    write_floor(out, "    ", &elf.floor)
}

fn write_images(out: &mut impl Write, images: &ImageSet) -> io::Result<()> {
    for (key, architectures) in images.by_kind() {
        if !architectures.is_empty() {
            let words = match key {
                "ptx" => "PTX",
                "lto_ir" => "LTO-IR",
                other => other,
            };
            writeln!(out, "    {words} {}", architectures.join(", "))?;
        }
    }
    Ok(())
}

fn write_floor(out: &mut impl Write, indent: &str, floor: &Floor) -> io::Result<()> {
    let parts = [
        ("GLIBC", &floor.glibc),
        ("GLIBCXX", &floor.glibcxx),
        ("CXXABI", &floor.cxxabi),
    ];
    let parts = parts.into_iter().filter_map(|(name, version)| {
        let version = version.as_ref()?;
        Some(format!("{name}_{version}"))
    });
    let parts: Vec<String> = parts.collect();
    match parts.is_empty() {
        true => Ok(()),
        false => writeln!(out, "{indent}needs at least {}", parts.join(", ")),
    }
}

/// Symbols that are named of one library.
const SHOWN: usize = 5;

/// A line for one library of a wheel, and lines with what is wrong and what to do.
pub(crate) fn write_suit(out: &mut impl Write, suit: &Suit, paint: Paint) -> io::Result<()> {
    write!(out, "{}", suit.library)?;
    match (&suit.version, &suit.version_of) {
        (Some(version), Some(of)) => write!(out, " {version} (by {of})")?,
        _ => write!(out, ", version unknown")?,
    }
    let has = suit.has.as_ref().map(|Provided { path, version, .. }| {
        let version = version.as_deref().unwrap_or("an unknown version");
        format!("the set has {version}, {path}")
    });
    let has = has.as_deref().unwrap_or("the set has none");
    let (word, what) = verdict_words(suit);
    let word = match suit.verdict.is_finding() {
        true => paint.bad(word).to_string(),
        false => word.to_owned(),
    };
    writeln!(out, ": {word}: {has}")?;
    if let Some(what) = what {
        writeln!(out, "  {what}")?;
    }
    for missing in suit.missing.iter().take(SHOWN) {
        writeln!(
            out,
            "  it lacks {}, which {} imports",
            missing.name, missing.by
        )?;
    }
    if suit.missing.len() > SHOWN {
        writeln!(out, "  and {} more", suit.missing.len() - SHOWN)?;
    }
    let help = match suit.verdict {
        Verdict::Suits | Verdict::OnlyInWheel => return Ok(()),
        Verdict::Absent => "add the package that has it to the set, or its directory to --set",
        Verdict::OtherSoname => {
            "pin that version in the set (pins.NAME = \"VERSION\"), or take a wheel that was built with the set's"
        }
        Verdict::SymbolsMissing | Verdict::Older => {
            "pin a newer version in the set (pins.NAME = \"VERSION\"), or keep the wheel's own copy"
        }
    };
    writeln!(out, "  {}", paint.advice(&format!("help: {help}")))
}

/// The verdict, and what it means where that is not plain.
fn verdict_words(suit: &Suit) -> (&'static str, Option<String>) {
    let wanted = suit.sonames.join(" or ");
    match suit.verdict {
        Verdict::Suits => ("suits", None),
        Verdict::OnlyInWheel => ("only in the wheel", None),
        Verdict::Absent => ("absent", Some(format!("files of the wheel load {wanted}"))),
        Verdict::OtherSoname => (
            "another SONAME",
            Some(format!(
                "files of the wheel load {wanted}, the set's is {}",
                {
                    let has = suit.has.as_ref();
                    has.map_or("", |has| has.soname.as_str())
                }
            )),
        ),
        Verdict::SymbolsMissing => ("symbols missing", None),
        Verdict::Older => ("older", None),
    }
}

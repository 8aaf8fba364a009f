//! The options of patchelf 0.19, each defined once: the parser, the usage text, the completions
//! and the manual page are made of this table.
//!
//! patchelf knows no `--option=value`, no `--` and no abbreviations, and treats any other word as a
//! file name, so this is not a clap parser, although clap prints its help.

use super::symbol_map::read_symbol_map;
use crate::scan::read_small;
use anyhow::{Context, bail};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// A parsed command line. Later values of an option replace earlier ones, except those of `needed`
/// and of symbols, which accumulate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PatchelfRequest {
    /// `--print-…`
    pub print: Print,
    /// `--set-os-abi`: a name as `print-os-abi` prints it, in any case.
    pub os_abi: Option<Vec<u8>>,
    /// `--set-soname`
    pub soname: Option<Vec<u8>>,
    /// `--set-interpreter`; empty: none.
    pub interpreter: Option<Vec<u8>>,
    /// `--clear-execstack`, which is applied before `--set-execstack`.
    pub clear_execstack: bool,
    /// `--set-execstack`
    pub set_execstack: bool,
    /// `--shrink-rpath`, which is applied before `--remove-rpath`, and that before the others.
    pub shrink_rpath: bool,
    /// `--allowed-rpath-prefixes`; none: all are.
    pub allowed_rpath_prefixes: Vec<Vec<u8>>,
    /// `--remove-rpath`
    pub remove_rpath: bool,
    /// `--set-rpath`
    pub set_rpath: Option<Vec<u8>>,
    /// `--add-rpath`
    pub add_rpath: Option<Vec<u8>>,
    /// `--force-rpath`
    pub force_rpath: bool,
    /// `--remove-needed`
    pub remove_needed: BTreeSet<Vec<u8>>,
    /// `--replace-needed`: name now, name afterwards.
    pub replace_needed: BTreeMap<Vec<u8>, Vec<u8>>,
    /// `--add-needed`
    pub add_needed: BTreeSet<Vec<u8>>,
    /// `--clear-symbol-version`
    pub clear_symbol_versions: BTreeSet<Vec<u8>>,
    /// `--no-default-lib`
    pub no_default_lib: bool,
    /// `--add-debug-tag`
    pub add_debug_tag: bool,
    /// `--build-resolution-cache`
    pub build_resolution_cache: bool,
    /// `--rename-dynamic-symbols`: name now, name afterwards.
    pub rename_symbols: BTreeMap<Vec<u8>, Vec<u8>>,
    /// `--page-size`, in bytes.
    pub page_size: Option<u64>,
    /// `--output`
    pub output: Option<PathBuf>,
    /// `--debug`
    pub debug: bool,
    pub files: Vec<PathBuf>,
}

/// Values to print for each file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Print {
    /// `--print-interpreter`
    pub interpreter: bool,
    /// `--print-os-abi`
    pub os_abi: bool,
    /// `--print-soname`
    pub soname: bool,
    /// `--print-rpath`
    pub rpath: bool,
    /// `--print-execstack`
    pub execstack: bool,
    /// `--print-needed`
    pub needed: bool,
}

/// A command line that has been understood.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Parsed {
    /// Files to look at or to change.
    Run(Box<PatchelfRequest>),
    /// `--help`, whatever follows.
    Help,
    /// `--version`, whatever follows.
    Version,
}

pub(super) struct Flag {
    pub(super) name: &'static str,
    alias: Option<&'static str>,
    /// Names of its values.
    pub(super) values: &'static [&'static str],
    pub(super) help: &'static str,
    take: Take,
}

/// Kind of an option. `Text` and `Item` take one value, or with `@FILE` the contents of FILE.
enum Take {
    Help,
    Version,
    Nothing,
    Switch(fn(&mut PatchelfRequest) -> &mut bool),
    Text(fn(&mut PatchelfRequest, Vec<u8>)),
    Item(fn(&mut PatchelfRequest) -> &mut BTreeSet<Vec<u8>>),
    Raw(fn(&mut PatchelfRequest, &[OsString]) -> anyhow::Result<()>),
}

const fn flag(
    name: &'static str,
    values: &'static [&'static str],
    help: &'static str,
    take: Take,
) -> Flag {
    let alias = None;
    Flag {
        name,
        alias,
        values,
        help,
        take,
    }
}

const fn switch(
    name: &'static str,
    help: &'static str,
    field: fn(&mut PatchelfRequest) -> &mut bool,
) -> Flag {
    flag(name, &[], help, Take::Switch(field))
}

impl Flag {
    const fn or(mut self, alias: &'static str) -> Flag {
        self.alias = Some(alias);
        self
    }
}

pub(super) const FLAGS: [Flag; 33] = [
    flag(
        "--set-interpreter",
        &["FILE"],
        "Set the interpreter (the dynamic loader) of an executable",
        Take::Text(|r, v| r.interpreter = Some(v)),
    )
    .or("--interpreter"),
    flag(
        "--page-size",
        &["BYTES"],
        "Alignment of a segment that is added [default: the machine's largest page]",
        Take::Raw(|r, v| page_size(&v[0]).map(|size| r.page_size = Some(size))),
    ),
    switch("--print-interpreter", "Print the interpreter", |r| {
        &mut r.print.interpreter
    }),
    switch("--print-os-abi", "Print EI_OSABI", |r| &mut r.print.os_abi),
    flag(
        "--set-os-abi",
        &["ABI"],
        "Set EI_OSABI: System V, Linux, FreeBSD, …",
        Take::Text(|r, v| r.os_abi = Some(v)),
    ),
    switch("--print-soname", "Print DT_SONAME, if there is one", |r| {
        &mut r.print.soname
    }),
    flag(
        "--set-soname",
        &["SONAME"],
        "Set DT_SONAME of a library",
        Take::Text(|r, v| r.soname = Some(v)),
    ),
    flag(
        "--set-rpath",
        &["RPATH"],
        "Set DT_RUNPATH (with --force-rpath DT_RPATH)",
        Take::Text(|r, v| r.set_rpath = Some(v)),
    ),
    flag(
        "--add-rpath",
        &["RPATH"],
        "Append to DT_RUNPATH",
        Take::Text(|r, v| r.add_rpath = Some(v)),
    ),
    switch("--remove-rpath", "Remove DT_RUNPATH and DT_RPATH", |r| {
        &mut r.remove_rpath
    }),
    switch(
        "--shrink-rpath",
        "Remove absolute directories without a library that the file needs",
        |r| &mut r.shrink_rpath,
    ),
    flag(
        "--allowed-rpath-prefixes",
        &["PREFIXES"],
        "With --shrink-rpath, remove directories, too, that start with none of these (a:b)",
        Take::Raw(|r, v| {
            let all = v[0].as_bytes().split(|&b| b == b':');
            let named = all.filter(|p| !p.is_empty());
            r.allowed_rpath_prefixes = named.map(<[u8]>::to_vec).collect();
            Ok(())
        }),
    ),
    switch(
        "--print-rpath",
        "Print DT_RUNPATH, else DT_RPATH, else an empty line",
        |r| &mut r.print.rpath,
    ),
    switch(
        "--force-rpath",
        "Write DT_RPATH instead of DT_RUNPATH",
        |r| &mut r.force_rpath,
    ),
    flag(
        "--add-needed",
        &["LIBRARY"],
        "Add a DT_NEEDED before all others",
        Take::Item(|r| &mut r.add_needed),
    ),
    flag(
        "--remove-needed",
        &["LIBRARY"],
        "Remove a DT_NEEDED",
        Take::Item(|r| &mut r.remove_needed),
    ),
    flag(
        "--replace-needed",
        &["LIBRARY", "NEW_LIBRARY"],
        "Give a DT_NEEDED another name",
        Take::Raw(|r, v| {
            let [from, to] = [&v[0], &v[1]].map(|word| word.as_bytes().to_vec());
            r.replace_needed.insert(from, to);
            Ok(())
        }),
    ),
    switch("--print-needed", "Print each DT_NEEDED", |r| {
        &mut r.print.needed
    }),
    switch("--no-default-lib", "Set DF_1_NODEFLIB", |r| {
        &mut r.no_default_lib
    }),
    flag(
        "--no-sort",
        &[],
        "Nothing: no headers are sorted",
        Take::Nothing,
    ),
    flag(
        "--clear-symbol-version",
        &["SYMBOL"],
        "Take the version off a dynamic symbol",
        Take::Item(|r| &mut r.clear_symbol_versions),
    ),
    switch("--add-debug-tag", "Add a DT_DEBUG", |r| {
        &mut r.add_debug_tag
    }),
    switch(
        "--build-resolution-cache",
        "Write where each DT_NEEDED is found into a note for the glibc of NixOS",
        |r| &mut r.build_resolution_cache,
    ),
    switch(
        "--print-execstack",
        "Print whether the stack is executable",
        |r| &mut r.print.execstack,
    ),
    switch(
        "--clear-execstack",
        "Ask for a stack that is not executable",
        |r| &mut r.clear_execstack,
    ),
    switch("--set-execstack", "Ask for an executable stack", |r| {
        &mut r.set_execstack
    }),
    flag(
        "--rename-dynamic-symbols",
        &["MAP_FILE"],
        "Rename dynamic symbols; the file has lines of OLD_NAME NEW_NAME",
        Take::Raw(|r, v| read_symbol_map(Path::new(&v[0]), &mut r.rename_symbols)),
    ),
    flag(
        "--no-clobber-old-sections",
        &[],
        "Nothing: what code can address directly is never moved",
        Take::Nothing,
    ),
    flag(
        "--clobber-old-sections",
        &[],
        "Nothing: removed strings are always erased, nothing else is",
        Take::Nothing,
    ),
    flag(
        "--output",
        &["FILE"],
        "Write the result to FILE and leave the input as it is",
        Take::Text(|r, v| r.output = Some(OsStr::from_bytes(&v).into())),
    ),
    switch("--debug", "Print each step to standard error", |r| {
        &mut r.debug
    }),
    flag("--help", &[], "Print the options", Take::Help).or("-h"),
    flag("--version", &[], "Print patchelf's version", Take::Version),
];

impl PatchelfRequest {
    /// Understands the words of a command line, program name not among them.
    pub(crate) fn parse(words: &[OsString]) -> anyhow::Result<Parsed> {
        let mut request = PatchelfRequest::default();
        let mut rest = words;
        while let [word, after @ ..] = rest {
            rest = after;
            let known = |flag: &&Flag| word == flag.name || flag.alias.is_some_and(|a| word == a);
            let Some(flag) = FLAGS.iter().find(known) else {
                request.files.push(word.into());
                continue;
            };
            let Some((values, after)) = rest.split_at_checked(flag.values.len()) else {
                bail!(
                    "missing argument{}",
                    if flag.values.len() > 1 { "(s)" } else { "" }
                );
            };
            rest = after;
            match flag.take {
                Take::Help => return Ok(Parsed::Help),
                Take::Version => return Ok(Parsed::Version),
                Take::Nothing => {}
                Take::Switch(field) => *field(&mut request) = true,
                Take::Text(take) => take(&mut request, text(&values[0])?),
                Take::Item(set) => {
                    set(&mut request).insert(text(&values[0])?);
                }
                Take::Raw(take) => take(&mut request, values)?,
            }
        }
        Ok(Parsed::Run(Box::new(request)))
    }

    /// Reports missing or conflicting options.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        if self.files.is_empty() {
            bail!("missing filename");
        }
        if self.output.is_some() && self.files.len() > 1 {
            bail!("--output option only allowed with single input file");
        }
        if self.set_rpath.is_some() && self.add_rpath.is_some() {
            bail!("--set-rpath option not allowed with --add-rpath");
        }
        if self.force_rpath && self.build_resolution_cache {
            bail!("--build-resolution-cache cannot be combined with --force-rpath");
        }
        Ok(())
    }
}

/// No value is longer.
const LARGEST: u64 = 16 << 20;

/// A value as given, or the contents of FILE for `@FILE`.
fn text(word: &OsStr) -> anyhow::Result<Vec<u8>> {
    let Some(name) = word.as_bytes().strip_prefix(b"@") else {
        return Ok(word.as_bytes().to_vec());
    };
    let path = Path::new(OsStr::from_bytes(name));
    let name = crate::escape::shown(path);
    // patchelf's words for each step.
    fs::metadata(path).with_context(|| format!("getting info about '{name}'"))?;
    read_small(path, LARGEST).with_context(|| format!("reading '{name}'"))
}

/// Like C's `atoi`: digits, followed by anything.
fn page_size(word: &OsStr) -> anyhow::Result<u64> {
    let text = word.to_string_lossy();
    let text = text.trim_start().trim_start_matches('+');
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    match text[..digits].parse() {
        // 256 MiB: no machine has larger pages.
        Ok(size @ 1..=0x1000_0000) => Ok(size),
        _ => bail!("invalid argument to --page-size"),
    }
}

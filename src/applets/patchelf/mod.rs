//! patchelf's command line over this project's rewriter. `docs/patchelf.md` lists the differences.

mod cache;
mod flags;
mod needed;
mod os_abi;
mod output;
mod plan;
mod shrink;
mod symbol_map;

pub(crate) use flags::{Parsed, PatchelfRequest, Print};

use super::Outcome;
use crate::escape::shown;
use anyhow::{Context, anyhow, bail};
use clap::{Arg, ArgAction, ArgMatches, Command};
use elf_edit::{
    ElfInfo, FileId, FileLock, FileReader, Patience, ReadError, RewriteOptions, prepare, rewrite,
};
use plan::Streams;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// The version whose command line this is.
const VERSION: &str = "patchelf 0.19.3";
/// Behind the first line, which other tools read.
const OWNER: &str = concat!(
    "cuda-fixup ",
    env!("CARGO_PKG_VERSION"),
    " under the name of patchelf: the same command line, another implementation"
);

/// The words of the command line, which `Request` parses. clap gets the options for the help, the
/// completions and the manual page only: it never parses one (`cli::dispatch`).
#[derive(Debug)]
pub(crate) struct Args {
    pub(crate) words: Vec<OsString>,
}

impl clap::FromArgMatches for Args {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Args, clap::Error> {
        let words = matches.get_many::<OsString>("FILE").unwrap_or_default();
        Ok(Args {
            words: words.cloned().collect(),
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Args::from_arg_matches(matches)?;
        Ok(())
    }
}

impl clap::Args for Args {
    fn augment_args(command: Command) -> Command {
        let file = Arg::new("FILE")
            .num_args(0..)
            .value_parser(clap::value_parser!(OsString))
            .value_hint(clap::ValueHint::FilePath)
            .help("The files, in order; the first that fails ends the run");
        flags::FLAGS
            .iter()
            .fold(command, |command, flag| command.arg(documented(flag)))
            .arg(file)
            .disable_help_flag(true)
            .disable_version_flag(true)
            .about("Print or change interpreter, RUNPATH, NEEDED and more as patchelf 0.19 does")
            .after_help(format!(
                "A value @NAME is replaced by the contents of the file NAME. Exit status: 0, or 1 for \
                 any error.\n\n{}",
                crate::applets::examples::PATCHELF
            ))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Args::augment_args(command)
    }
}

fn documented(flag: &flags::Flag) -> Arg {
    let name = flag.name.trim_start_matches('-');
    let arg = Arg::new(name).long(name).help(flag.help);
    if flag.values.is_empty() {
        arg.action(ArgAction::SetTrue)
    } else {
        arg.num_args(flag.values.len()).value_names(flag.values)
    }
}

/// Runs the command line `words`. Any error is exit status 1, as with patchelf.
pub(crate) fn run(words: &[OsString]) -> anyhow::Result<Outcome> {
    let mut out = io::stdout().lock();
    let result = run_words(words, &mut out);
    // Earlier output comes before the error.
    let flushed = out.flush();
    match result.and_then(|outcome| Ok(flushed.map(|()| outcome)?)) {
        Ok(outcome) => Ok(outcome),
        Err(error) if crate::applets::is_broken_pipe(&error) => Err(error),
        Err(error) => {
            let why = elf_edit::without_errno(&format!("{error:#}"));
            writeln!(io::stderr(), "patchelf: {why}")?;
            Ok(Outcome::Findings)
        }
    }
}

fn run_words(words: &[OsString], out: &mut dyn Write) -> anyhow::Result<Outcome> {
    if words.is_empty() {
        usage(&mut io::stderr())?;
        return Ok(Outcome::Findings);
    }
    let mut request = match PatchelfRequest::parse(words)? {
        Parsed::Run(request) => request,
        Parsed::Help => {
            usage(&mut io::stderr())?;
            return Ok(Outcome::Fine);
        }
        Parsed::Version => {
            writeln!(out, "{VERSION}\n{OWNER}")?;
            return Ok(Outcome::Fine);
        }
    };
    request.check()?;
    request.debug |= std::env::var_os("PATCHELF_DEBUG").is_some();
    for path in &request.files {
        let mut streams = Streams {
            out,
            err: &mut io::stderr(),
        };
        one_file(&request, path, &mut streams)?;
    }
    Ok(Outcome::Fine)
}

fn one_file(
    request: &PatchelfRequest,
    path: &Path,
    streams: &mut Streams<'_>,
) -> anyhow::Result<()> {
    let name = shown(path).to_string();
    let info = fs::metadata(path).with_context(|| format!("getting info about '{name}'"))?;
    if info.is_dir() {
        bail!("reading '{name}': Is a directory");
    }
    if !info.is_file() {
        bail!("reading '{name}': is no regular file");
    }
    let opened = open(request, path, &name)?;
    let reader = &opened.reader;
    let info = ElfInfo::read(reader).map_err(|error| match error {
        ReadError::NotElf if info.len() < 52 => anyhow!("missing ELF header: {name} is too short"),
        ReadError::NotElf => anyhow!("not an ELF executable: {name} has no ELF magic"),
        error => anyhow!("{name}: {error}"),
    })?;
    elf_edit::check(reader, &info).with_context(|| name.clone())?;
    let edits = request.plan(reader, &info, &name, streams)?;
    streams.out.flush()?;
    if let Some(size) = request.page_size
        && !edits.is_empty()
        && (size < 4096 || !size.is_power_of_two())
    {
        bail!(
            "--page-size {size}: pages are powers of two, from 4096 on: no kernel would load {name}"
        );
    }
    let options = RewriteOptions {
        page_size: request.page_size,
        // patchelf writes in place: all names of the file change with it, wherever they are.
        keep_links: true,
        ..RewriteOptions::default()
    };
    if let Some(output) = &request.output
        && !output::is_same(output, reader)
    {
        let mut steps = Vec::new();
        if !edits.is_empty() {
            let prepared = prepare(reader, &info, &edits, &options);
            let patch = prepared.with_context(|| name.clone())?.patch;
            steps = patch.map(|patch| patch.steps).unwrap_or_default();
        }
        request.log(streams, format_args!("writing {}", shown(output)))?;
        return output::write(output, reader, &steps);
    }
    if edits.is_empty() {
        return Ok(());
    }
    let names = [path.to_owned()];
    let done = rewrite(&names, reader, &info, &edits, &options).with_context(|| name.clone())?;
    if done.changed {
        request.log(streams, format_args!("writing {name}"))?;
    }
    if !done.strip_safe {
        writeln!(
            streams.err,
            "patchelf: warning: {name}: its program headers have no room to grow behind the ELF header: don't strip it"
        )?;
    }
    Ok(())
}

/// A file, with a lock if it may be rewritten.
struct Opened {
    reader: FileReader,
    _lock: Option<FileLock>,
}

fn open(request: &PatchelfRequest, path: &Path, name: &str) -> anyhow::Result<Opened> {
    let opening = || format!("opening '{name}'");
    let waits = || {
        let _ = writeln!(
            io::stderr(),
            "patchelf: {name}: waiting for another process that holds a lock on it"
        );
    };
    loop {
        let file = File::open(path).with_context(opening)?;
        let lock = if request.only_prints() {
            None
        } else {
            let lock = FileLock::take(&file, Patience::default(), &waits);
            Some(lock.with_context(|| name.to_owned())?)
        };
        let reader = FileReader::new(file).with_context(opening)?.recorded();
        // The last holder of the lock may have replaced the file by a copy.
        if lock.is_none() || FileId::at(path).with_context(opening)? == FileId::from(&reader) {
            return Ok(Opened {
                reader,
                _lock: lock,
            });
        }
    }
}

fn usage(out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "syntax: patchelf")?;
    for flag in &flags::FLAGS {
        let values: String = flag.values.iter().map(|v| format!(" {v}")).collect();
        writeln!(out, "  [{}{values}]\t\t{}", flag.name, flag.help)?;
    }
    writeln!(out, "  FILENAME...")?;
    writeln!(out, "\n{OWNER}")
}

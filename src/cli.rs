//! The command line: `cuda-fixup APPLET …`, or an applet by the exact name of a link to the binary.

use crate::applets::{self, Outcome};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

/// Sets interpreters and RUNPATHs of prebuilt and CUDA software in one pass, and explains them.
#[derive(Debug, Parser)]
#[command(name = "cuda-fixup", version, max_term_width = 100)]
pub struct Cli {
    /// Print the names of the applets, one a line
    #[arg(long)]
    list: bool,
    #[command(subcommand)]
    applet: Option<Applet>,
}

/// Every applet. Its variant's name in kebab case is its name on the command line and as a link.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
enum Applet {
    Fixup(applets::fixup::Args),
    AutoPatchelf(applets::auto_patchelf::Args),
    AddDriverRunpath(applets::add_driver_runpath::Args),
    Demo(applets::demo::Args),
    Doctor(applets::doctor::Args),
    Capabilities(applets::capabilities::Args),
    ElfFiles(applets::elf_files::Args),
    Cmake(applets::cmake::Args),
    Inspect(applets::inspect::Args),
    DeviceCode(applets::device_code::Args),
    InstallLinks(applets::install_links::Args),
    Lint(applets::lint::Args),
    Completions(applets::completions::Args),
    Man(applets::man::Args),
    Nvcc(applets::nvcc::Args),
    Toolkit(applets::toolkit::Args),
    Patchelf(applets::patchelf::Args),
    Redist(applets::redist::Args),
}

impl Applet {
    fn run(self) -> anyhow::Result<Outcome> {
        match self {
            Applet::Fixup(args) => applets::fixup::run(args),
            Applet::AutoPatchelf(args) => applets::auto_patchelf::run(args),
            Applet::AddDriverRunpath(args) => applets::add_driver_runpath::run(args),
            Applet::Demo(args) => applets::demo::run(args),
            Applet::Doctor(args) => applets::doctor::run(args),
            Applet::Capabilities(args) => applets::capabilities::run(args),
            Applet::ElfFiles(args) => applets::elf_files::run(args),
            Applet::Cmake(args) => applets::cmake::run(args),
            Applet::Inspect(args) => applets::inspect::run(args),
            Applet::DeviceCode(args) => applets::device_code::run(args),
            Applet::InstallLinks(args) => applets::install_links::run(args, &applet_names()),
            Applet::Lint(args) => applets::lint::run(args),
            Applet::Completions(args) => applets::completions::run(args, Cli::command()),
            Applet::Man(args) => applets::man::run(args, Cli::command()),
            Applet::Nvcc(args) => applets::nvcc::run(args),
            Applet::Toolkit(args) => applets::toolkit::run(args),
            Applet::Patchelf(args) => applets::patchelf::run(args),
            Applet::Redist(args) => applets::redist::run(args),
        }
    }
}

/// Names of all applets, in the order of the help text.
pub fn applet_names() -> Vec<String> {
    Cli::command()
        .get_subcommands()
        .map(|c| c.get_name().to_owned())
        .collect()
}

fn is_applet(word: &OsStr) -> bool {
    word.to_str().is_some_and(Applet::has_subcommand)
}

/// Runs the command line `args`, program name first.
pub fn main(args: Vec<OsString>) -> ExitCode {
    match dispatch(args) {
        Ok(outcome) => outcome.into(),
        Err(error) if applets::is_broken_pipe(&error) => ExitCode::from(Outcome::Fine),
        Err(error) => {
            // A closed stderr leaves nobody to tell.
            let _ = writeln!(
                io::stderr(),
                "error: {}",
                without_errno(&format!("{error:#}"))
            );
            Outcome::Errors.into()
        }
    }
}

fn dispatch(mut args: Vec<OsString>) -> anyhow::Result<Outcome> {
    let called_as = args
        .first()
        .and_then(|arg| Path::new(arg).file_name())
        .map(OsString::from);
    // These are called for each file of a build, with flags that are another program's.
    if let Some(name @ ("nvcc" | "cmake")) = called_as.as_ref().and_then(|name| name.to_str()) {
        let argv0 = args.remove(0);
        return match name {
            "nvcc" => applets::nvcc::run_as(&argv0, args),
            _ => applets::cmake::run_as(&argv0, args),
        };
    }
    if let Some(name) = called_as.filter(|name| is_applet(name)) {
        args.insert(0, "cuda-fixup".into());
        args[1] = name;
    }
    // Its options have rules of their own: clap takes what follows for files.
    if args.get(1).is_some_and(|applet| applet == "patchelf") {
        args.insert(2, "--".into());
    }
    let mut command = Cli::command();
    // The definition of one applet is a fifth of the time that a short run takes: the others'
    // are only looked at where help may name them.
    if !args.get(1).is_some_and(|word| is_applet(word)) {
        command.build();
    }
    let matches = match command.try_get_matches_from_mut(&args) {
        Ok(matches) => matches,
        Err(error) => {
            error.print()?;
            return Ok(if error.use_stderr() {
                Outcome::Errors
            } else {
                Outcome::Fine
            });
        }
    };
    let cli = Cli::from_arg_matches(&matches)?;
    if cli.list {
        let mut out = io::stdout().lock();
        for name in applet_names() {
            writeln!(out, "{name}")?;
        }
        return Ok(Outcome::Fine);
    }
    match cli.applet {
        Some(applet) => applet.run(),
        None => {
            command.print_help()?;
            Ok(Outcome::Errors)
        }
    }
}

/// The message without Rust's `(os error 2)`, which says nothing to a user.
fn without_errno(message: &str) -> String {
    let mut parts = message.split(" (os error ");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.split_once(')') {
            Some((errno, rest)) if errno.bytes().all(|b| b.is_ascii_digit()) => text.push_str(rest),
            _ => {
                text.push_str(" (os error ");
                text.push_str(part);
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_errors_are_left_out() {
        assert_eq!(
            without_errno("x: No such file or directory (os error 2): y"),
            "x: No such file or directory: y"
        );
        assert_eq!(without_errno("a (os error b) c"), "a (os error b) c");
    }

    #[test]
    fn the_definition_of_the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}

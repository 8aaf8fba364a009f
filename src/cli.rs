//! The command line: `cuda-fixup APPLET …`, or an applet by the exact name of a link to the binary.

use crate::applets::{self, Outcome};
use crate::terminal::{Color, Label, message};
use clap::builder::styling::{Style, Styles};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

/// clap's, without its yellow, which can't be read on a light background.
const STYLES: Styles = Styles::styled().invalid(Style::new().bold());

/// Sets interpreters and RUNPATHs of prebuilt and CUDA software in one pass, and explains them.
#[derive(Debug, Parser)]
#[command(name = "cuda-fixup", version, max_term_width = 100, styles = STYLES, after_help = applets::examples::CUDA_FIXUP)]
pub struct Cli {
    /// Print the names of the applets, one a line
    #[arg(long)]
    list: bool,
    /// Colours: auto (on a terminal that is not dumb, unless NO_COLOR is set), always or never
    // `choose_colour` reads it before anything is parsed, since errors of the command line have
    // colours too.
    #[arg(long, global = true, value_name = "WHEN", value_enum, default_value_t)]
    #[arg(display_order = 998, hide_possible_values = true)]
    color: Color,
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
    Closure(applets::closure::Args),
    Cmake(applets::cmake::Args),
    Inspect(applets::inspect::Args),
    DeviceCode(applets::device_code::Args),
    Diff(applets::diff::Args),
    InstallLinks(applets::install_links::Args),
    Lint(applets::lint::Args),
    Completions(applets::completions::Args),
    Man(applets::man::Args),
    Nvcc(applets::nvcc::Args),
    Toolkit(applets::toolkit::Args),
    Patchelf(applets::patchelf::Args),
    Redist(applets::redist::Args),
    Report(applets::report::Args),
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
            Applet::Closure(args) => applets::closure::run(args),
            Applet::Cmake(args) => applets::cmake::run(args),
            Applet::Inspect(args) => applets::inspect::run(args),
            Applet::DeviceCode(args) => applets::device_code::run(args),
            Applet::Diff(args) => applets::diff::run(args),
            Applet::InstallLinks(args) => applets::install_links::run(args, &applet_names()),
            Applet::Lint(args) => applets::lint::run(args),
            Applet::Completions(args) => applets::completions::run(args, Cli::command()),
            Applet::Man(args) => applets::man::run(args, Cli::command()),
            Applet::Nvcc(args) => applets::nvcc::run(args),
            Applet::Toolkit(args) => applets::toolkit::run(args),
            Applet::Patchelf(args) => applets::patchelf::run(&args.words),
            Applet::Redist(args) => applets::redist::run(args),
            Applet::Report(args) => applets::report::run(args),
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
    choose_colour(&args);
    match dispatch(args).and_then(flushed) {
        Ok(outcome) => outcome.into(),
        Err(error) if applets::is_broken_pipe(&error) => ExitCode::from(Outcome::Fine),
        Err(error) => {
            // If standard error is closed, the exit status still shows the error.
            let _ = message(Label::Error, explained(&error));
            Outcome::Errors.into()
        }
    }
}

/// The error and its causes. One that has no context comes from writing the results.
fn explained(error: &anyhow::Error) -> String {
    let full = |error: &io::Error| {
        use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        matches!(error.kind(), FileTooLarge | QuotaExceeded | StorageFull)
    };
    match error.downcast_ref::<io::Error>() {
        Some(io) if full(io) && error.chain().count() == 1 => {
            format!("standard output: cannot be written: {error}")
        }
        _ => format!("{error:#}"),
    }
}

/// `--color`, wherever it is in front of `--`; clap checks its value later.
fn choose_colour(args: &[OsString]) {
    let before = args.split(|arg| arg == "--").next().unwrap_or_default();
    let mut color = None;
    for (at, arg) in before.iter().enumerate() {
        color = match arg.to_str() {
            Some("--color") => before.get(at + 1).and_then(|value| value.to_str()),
            Some(arg) => arg.strip_prefix("--color=").or(color),
            None => color,
        };
    }
    if let Some(color) = color.and_then(|value| Color::from_str(value, false).ok()) {
        color.choose();
    }
}

/// A failed flush is an error, even if no write before it failed. With any other outcome the applet
/// has flushed, and has reported its own errors.
fn flushed(outcome: Outcome) -> anyhow::Result<Outcome> {
    if outcome == Outcome::Fine {
        io::stdout().flush()?;
    }
    Ok(outcome)
}

/// Index of the applet's name: `--color` may come before it.
fn applet_at(args: &[OsString]) -> usize {
    let mut at = 1;
    while let Some(arg) = args.get(at).and_then(|arg| arg.to_str()) {
        at += match arg {
            "--color" => 2,
            _ if arg.starts_with("--color=") => 1,
            _ => break,
        };
    }
    at
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
    let at = applet_at(&args);
    if args.get(at).is_some_and(|applet| applet == "patchelf") {
        // Its options have their own syntax. It is also called for each file of a build, and clap's
        // definition of a command line takes longer than reading one file.
        if at == 1 {
            return applets::patchelf::run(&args[2..]);
        }
        // clap checks what is in front, and treats all options behind it as files.
        args.insert(at + 1, "--".into());
    }
    let mut command = Cli::command().color(Color::for_clap());
    // Building one applet's definition takes a fifth of a short run, so the others are built only
    // where help may list them.
    if !args.get(at).is_some_and(|word| is_applet(word)) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_of_the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}

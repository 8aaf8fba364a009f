//! Shell completions, made from the definition of the command line.

use super::Outcome;
use crate::lint::{RULES, Rule};
use clap::builder::PossibleValuesParser;
use clap::{Args as _, Command};
use clap_complete::Shell;
use std::io::{self, Write};

/// Print the completions of a shell
///
/// For bash, for example: cuda-fixup completions bash >
/// /usr/share/bash-completion/completions/cuda-fixup
#[derive(Debug, clap::Args)]
#[command(after_help = super::examples::COMPLETIONS)]
pub(crate) struct Args {
    /// The shell
    shell: Shell,
}

/// Prints the script.
pub(crate) fn run(args: Args, mut command: Command) -> anyhow::Result<Outcome> {
    command = command.mut_subcommand("lint", |lint| lint.defer(with_codes));
    let applets: Vec<String> = command
        .get_subcommands()
        .map(|applet| applet.get_name().to_owned())
        .collect();
    command = command.mut_subcommand("man", |man| {
        super::man::Args::augment_args(man.defer(|man| man)).mut_arg("applet", |arg| {
            arg.value_parser(PossibleValuesParser::new(applets))
        })
    });
    let mut script = Vec::new();
    if args.shell == Shell::Bash {
        // clap_complete writes two names for one function where a program's has a hyphen.
        clap_complete::generate(args.shell, &mut command, "cuda_fixup", &mut script);
        let text = String::from_utf8_lossy(&script);
        script = text.replace(" cuda_fixup\n", " cuda-fixup\n").into_bytes();
    } else {
        clap_complete::generate(args.shell, &mut command, "cuda-fixup", &mut script);
    }
    io::stdout().lock().write_all(&script)?;
    Ok(Outcome::Fine)
}

/// The options of `lint` with the codes of all rules. `lint` itself takes any word, so that it can
/// say which code is the nearest.
fn with_codes(lint: Command) -> Command {
    let with_codes = |lint: Command, option: &str| {
        lint.mut_arg(option, |arg| {
            arg.value_parser(PossibleValuesParser::new(RULES.iter().map(Rule::code)))
        })
    };
    let lint = super::lint::Args::augment_args(lint);
    ["explain", "select", "deny", "warn", "allow"]
        .into_iter()
        .fold(lint, with_codes)
}

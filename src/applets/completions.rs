//! Shell completions, made from the definition of the command line.

use super::Outcome;
use clap_complete::Shell;
use std::io::{self, Write};

/// Print the completions of a shell
///
/// For bash, for example: cuda-fixup completions bash >
/// /usr/share/bash-completion/completions/cuda-fixup
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The shell
    shell: Shell,
}

/// Prints the script.
pub(crate) fn run(args: Args, mut command: clap::Command) -> anyhow::Result<Outcome> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "cuda-fixup", &mut script);
    io::stdout().lock().write_all(&script)?;
    Ok(Outcome::Fine)
}

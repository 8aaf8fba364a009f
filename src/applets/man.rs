//! Manual pages, made from the definition of the command line.

use super::Outcome;
use crate::escape::shown;
use anyhow::Context;
use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;

/// Print the manual page, or write one page an applet
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Write cuda-fixup.1 and a cuda-fixup-APPLET.1 each into DIR, and print their names
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Prints or writes the pages.
pub(crate) fn run(args: Args, command: clap::Command) -> anyhow::Result<Outcome> {
    // `help` is no applet and needs no page.
    let command = command.disable_help_subcommand(true);
    let mut stdout = io::stdout().lock();
    let Some(dir) = args.out else {
        let mut page = Vec::new();
        clap_mangen::Man::new(command).render(&mut page)?;
        stdout.write_all(&page)?;
        return Ok(Outcome::Fine);
    };
    fs::create_dir_all(&dir).with_context(|| format!("{}: cannot make it", shown(&dir)))?;
    let mut pages = vec![command.clone()];
    for applet in command.get_subcommands() {
        let name = format!("cuda-fixup-{}", applet.get_name());
        // The name that the page has in its title and the words that a user types.
        pages.push(
            applet
                .clone()
                .display_name(&name)
                .bin_name(format!("cuda-fixup {}", applet.get_name())),
        );
    }
    for page in pages {
        let man = clap_mangen::Man::new(page);
        let file = dir.join(man.get_filename());
        let mut text = Vec::new();
        man.render(&mut text)?;
        fs::write(&file, text).with_context(|| format!("{}: cannot write it", shown(&file)))?;
        writeln!(stdout, "{}", shown(&file))?;
    }
    Ok(Outcome::Fine)
}

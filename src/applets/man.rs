//! Manual pages, made from the definition of the command line.

use super::{Outcome, examples};
use crate::escape::shown;
use anyhow::{Context, bail};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Show a manual page, or write one page an applet
///
/// On a terminal the page is shown by man(1); elsewhere its source is printed.
#[derive(Debug, clap::Args)]
#[command(after_help = examples::MAN)]
pub(crate) struct Args {
    /// The applet whose page is shown [default: the page of cuda-fixup]
    #[arg(conflicts_with = "out")]
    applet: Option<String>,
    /// Write cuda-fixup.1 and a cuda-fixup-APPLET.1 each into DIR, and print their names
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// What pages say of variables: name, text, and the applets that read it; none: all.
const ENVIRONMENT: [(&str, &str, &[&str]); 8] = [
    (
        "NO_COLOR, CLICOLOR_FORCE, CLICOLOR, TERM",
        "Whether text has colours, where --color does not say it.",
        &[],
    ),
    (
        "LD_LIBRARY_PATH, LD_PRELOAD",
        "What the loader would read; lint reads it with --env only.",
        &["inspect", "lint", "doctor"],
    ),
    (
        "PATH",
        "Where programs are, and the tools that are run.",
        &["inspect", "nvcc", "cmake", "toolkit"],
    ),
    (
        super::jobs::VARIABLE,
        "How many files are worked on at once, without -j.",
        &[
            "fixup",
            "inspect",
            "lint",
            "diff",
            "report",
            "auto-patchelf",
            "add-driver-runpath",
            "toolkit",
        ],
    ),
    (
        "NIX_STORE",
        "Where packages are, instead of /nix/store.",
        &["fixup", "lint", "diff", "report", "auto-patchelf"],
    ),
    (
        "DEFAULT_BINTOOLS",
        "The tools whose interpreter is set.",
        &["auto-patchelf"],
    ),
    (
        "CUDA_FIXUP_MANIFESTS",
        "Manifests, instead of --from.",
        &["redist"],
    ),
    ("PATCHELF_DEBUG", "Prints what is done.", &["patchelf"]),
];

/// Files that applets read, as in [`ENVIRONMENT`].
const FILES: [(&str, &str, &[&str]); 4] = [
    (
        "cuda-fixup.toml",
        "Severities and exceptions, in the current directory or in one that it is in.",
        &["lint"],
    ),
    (
        "/etc/ld.so.cache, /etc/ld.so.preload, /etc/ld.so.conf",
        "What the loader reads.",
        &["inspect", "lint"],
    ),
    (
        "/run/opengl-driver/lib",
        "The driver link: where NixOS puts the libraries of NVIDIA's driver.",
        &["fixup", "add-driver-runpath", "lint", "doctor"],
    ),
    (
        "FARM/share/cuda-fixup/farm.json",
        "What a farm is made from.",
        &["toolkit", "nvcc", "cmake"],
    ),
];

/// Pages of other programs that say more.
const OTHERS: [(&str, &[&str]); 4] = [
    ("ld.so(8)", &["inspect", "lint", "fixup", "doctor"]),
    ("ldd(1)", &["inspect"]),
    ("patchelf(1)", &["patchelf", "auto-patchelf"]),
    ("nvcc(1)", &["nvcc", "toolkit"]),
];

pub(crate) fn run(args: Args, command: clap::Command) -> anyhow::Result<Outcome> {
    // `help` is no applet and needs no page.
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let Some(dir) = args.out else {
        let name = args.applet.as_deref().unwrap_or("cuda-fixup");
        let applet = name.strip_prefix("cuda-fixup-").unwrap_or(name);
        if applet != "cuda-fixup" && command.find_subcommand(applet).is_none() {
            bail!(
                "there is no applet {}: `cuda-fixup --list` prints them",
                shown(applet)
            );
        }
        return show(&page(&command, applet)?);
    };
    let mut stdout = io::stdout().lock();
    fs::create_dir_all(&dir).with_context(|| format!("{}: cannot make it", shown(&dir)))?;
    let applets: Vec<&str> = command.get_subcommands().map(|c| c.get_name()).collect();
    for applet in ["cuda-fixup"].into_iter().chain(applets) {
        let file = dir.join(format!("{}.1", title(applet)));
        let text = page(&command, applet)?;
        fs::write(&file, text).with_context(|| format!("{}: cannot write it", shown(&file)))?;
        writeln!(stdout, "{}", shown(&file))?;
    }
    Ok(Outcome::Fine)
}

/// Shows a page by man(1) on a terminal, else prints it.
fn show(page: &[u8]) -> anyhow::Result<Outcome> {
    let mut stdout = io::stdout();
    if stdout.is_terminal()
        && let Ok(mut man) = Command::new("man")
            .args(["-l", "-"])
            .stdin(Stdio::piped())
            .spawn()
    {
        if let Some(mut input) = man.stdin.take() {
            // Who leaves the pager early has seen enough.
            let _ = input.write_all(page);
        }
        if man.wait().is_ok_and(|status| status.success()) {
            return Ok(Outcome::Fine);
        }
    }
    stdout.write_all(page)?;
    Ok(Outcome::Fine)
}

fn title(applet: &str) -> String {
    match applet {
        "cuda-fixup" => applet.to_owned(),
        _ => format!("cuda-fixup-{applet}"),
    }
}

fn page(command: &clap::Command, applet: &str) -> io::Result<Vec<u8>> {
    let own = match command.find_subcommand(applet) {
        None => command.clone(),
        // The name that the page has in its title and the words that a user types.
        Some(found) => found
            .clone()
            .display_name(title(applet))
            .bin_name(format!("cuda-fixup {applet}")),
    };
    let help = own
        .get_after_help()
        .map(ToString::to_string)
        .unwrap_or_default();
    let has_commands = own.get_subcommands().next().is_some();
    let man = Man::new(own).title(title(applet));
    let mut text = Vec::new();
    man.render_title(&mut text)?;
    man.render_name_section(&mut text)?;
    man.render_synopsis_section(&mut text)?;
    man.render_description_section(&mut text)?;
    man.render_options_section(&mut text)?;
    if has_commands {
        man.render_subcommands_section(&mut text)?;
    }
    sections(command, applet, &help).to_writer(&mut text)?;
    if applet == "cuda-fixup" {
        man.render_version_section(&mut text)?;
    }
    Ok(text)
}

/// The sections that clap knows nothing of.
fn sections(command: &clap::Command, applet: &str, help: &str) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["EXIT STATUS"]);
    let statuses: &[(&str, &str)] = match applet {
        "patchelf" => &[("0", "Fine."), ("1", "Any error.")],
        "nvcc" | "cmake" => &[
            (
                "1",
                "What is asked for can't be done: the reason is printed.",
            ),
            ("any other", "That of the program which is run."),
        ],
        _ => &[
            ("0", "Fine."),
            ("1", "Something is missing or wrong with the files."),
            (
                "2",
                "An error: bad options, or a file that cannot be read or written.",
            ),
        ],
    };
    for (status, text) in statuses {
        tagged(&mut roff, status, text);
    }
    table(&mut roff, "ENVIRONMENT", applet, &ENVIRONMENT);
    table(&mut roff, "FILES", applet, &FILES);
    roff.control("SH", ["EXAMPLES"]);
    let lines = help.lines().skip_while(|line| *line != "Examples:").skip(1);
    for line in lines.map(str::trim) {
        match line.strip_prefix("# ") {
            Some(comment) => roff.control("PP", []).text([roman(comment)]),
            None => {
                let command = line.strip_prefix("$ ").unwrap_or(line);
                roff.control("PP", []);
                roff.control("RS", ["4"]);
                roff.text([bold(command)]);
                roff.control("RE", [])
            }
        };
    }
    roff.control("SH", ["SEE ALSO"]);
    let mut also = match applet {
        "cuda-fixup" => Vec::new(),
        _ => vec!["cuda-fixup(1)".to_owned()],
    };
    if applet == "cuda-fixup" {
        let applets = command.get_subcommands();
        also.extend(applets.map(|applet| format!("cuda-fixup-{}(1)", applet.get_name())));
    }
    let others = OTHERS.iter().filter(|(_, of)| of.contains(&applet));
    also.extend(others.map(|(page, _)| (*page).to_owned()));
    roff.text([roman(also.join(", "))]);
    roff
}

fn table(roff: &mut Roff, heading: &str, applet: &str, rows: &[(&str, &str, &[&str])]) {
    let mine = |of: &[&str]| of.is_empty() || of.contains(&applet) || applet == "cuda-fixup";
    let mut rows = rows.iter().filter(|(.., of)| mine(of)).peekable();
    roff.control("SH", [heading]);
    if rows.peek().is_none() {
        roff.text([roman("None but those that are named.")]);
    }
    for (name, text, _) in rows {
        tagged(roff, name, text);
    }
}

fn tagged(roff: &mut Roff, tag: &str, text: &str) {
    roff.control("TP", []);
    roff.text([bold(tag)]);
    roff.text([roman(text)]);
}

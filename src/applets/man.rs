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
    /// The applet whose page is shown, such as `lint` or `redist check` [default: the page of
    /// cuda-fixup]
    #[arg(conflicts_with = "out")]
    applet: Vec<String>,
    /// Write cuda-fixup.1 and a page for each applet and its subcommands into DIR, and print their
    /// names
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
            "doctor",
            "closure",
            "redist",
            "toolkit",
        ],
    ),
    (
        "NIX_STORE",
        "Where packages are, instead of /nix/store.",
        &[
            "fixup",
            "lint",
            "diff",
            "report",
            "closure",
            "auto-patchelf",
        ],
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
        &["lint", "diff", "report"],
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
        let name = args.applet.join(" ");
        let name = name.strip_prefix("cuda-fixup-").unwrap_or(&name);
        let words: Vec<&str> = name
            .split(' ')
            .filter(|w| !["", "cuda-fixup"].contains(w))
            .collect();
        return match page(&command, &words)? {
            Some(page) => show(&page),
            None => bail!(
                "there is no applet {}: `cuda-fixup --list` prints them",
                shown(name)
            ),
        };
    };
    let mut stdout = io::stdout().lock();
    fs::create_dir_all(&dir).with_context(|| format!("{}: cannot make it", shown(&dir)))?;
    let mut all: Vec<Vec<&str>> = vec![Vec::new()];
    for applet in command.get_subcommands() {
        all.push(vec![applet.get_name()]);
        let inner = applet.get_subcommands().filter(|c| !c.is_hide_set());
        all.extend(inner.map(|inner| vec![applet.get_name(), inner.get_name()]));
    }
    for words in all {
        let file = dir.join(format!("{}.1", title(&words)));
        let text = page(&command, &words)?.unwrap_or_default();
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

/// `cuda-fixup-redist-check`
fn title(words: &[&str]) -> String {
    let all: Vec<&str> = ["cuda-fixup"].iter().chain(words).copied().collect();
    all.join("-")
}

/// The page of an applet or its subcommand, if there is one.
fn page(command: &clap::Command, words: &[&str]) -> io::Result<Option<Vec<u8>>> {
    let mut own = command;
    for word in words {
        match own
            .find_subcommand(word)
            .filter(|found| found.get_name() != "help")
        {
            Some(found) => own = found,
            None => return Ok(None),
        }
    }
    let name = format!("cuda-fixup {}", words.join(" "));
    // The name that the page has in its title and the words that a user types.
    let own = own.clone().disable_help_subcommand(true);
    let own = own.display_name(title(words)).bin_name(name.trim_end());
    let help = own
        .get_after_help()
        .map(ToString::to_string)
        .unwrap_or_default();
    let has_commands = own.get_subcommands().next().is_some();
    let man = Man::new(own).title(title(words));
    let mut text = Vec::new();
    man.render_title(&mut text)?;
    man.render_name_section(&mut text)?;
    man.render_synopsis_section(&mut text)?;
    man.render_description_section(&mut text)?;
    man.render_options_section(&mut text)?;
    if has_commands {
        man.render_subcommands_section(&mut text)?;
    }
    sections(command, words, &help).to_writer(&mut text)?;
    if words.is_empty() {
        man.render_version_section(&mut text)?;
    }
    Ok(Some(text))
}

/// The sections that clap knows nothing of.
fn sections(command: &clap::Command, words: &[&str], help: &str) -> Roff {
    let applet = words.first().copied().unwrap_or("cuda-fixup");
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
        _ if words.len() == 1 => vec!["cuda-fixup(1)".to_owned()],
        _ => vec![format!("cuda-fixup-{applet}(1)")],
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

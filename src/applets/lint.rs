//! Reports faults of the ELF files of packages.

pub(super) mod config_file;
mod fix;

use super::Outcome;
use super::archives;
use super::jobs::Jobs;
use super::survey_args::RuleArgs;
use crate::archive::{Archives, Extent};
use crate::cuda::{Capability, CudaVersion};
use crate::escape::shown;
use crate::lint::config::{Config, Level, Levels, known};
use crate::lint::{
    self, Context, Finding, LintFiles, Looked, Options, RULES, Rule, SelectedRules, Severity,
};
use crate::loader::{Cpu, Environment, NixLdVariables, User};
use crate::report::lint::{self as report, ReportedFinding};
use crate::report::lint_groups::write_findings;
use crate::scan::{self, FileError, Skip};
use crate::terminal::{self, Label, Paint, Progress, message};
use anyhow::{Context as _, anyhow, bail};
use elf_edit::FileReader;
use std::collections::BTreeSet;
use std::fs;
use std::io::{self, BufWriter, Write};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Find faults of RUNPATHs, CUDA runtimes and device code in files and trees
///
/// Each rule has a code; --explain CODE describes the fault, its consequences and the fix. Exit
/// status 1 when there are errors. A cuda-fixup.toml in the current directory, or in one above it,
/// lists the package's own exceptions, each with its reason.
#[derive(Debug, clap::Args)]
#[command(after_help = super::examples::LINT)]
pub(crate) struct Args {
    /// Files, directories or archives
    #[arg(required_unless_present_any = ["explain", "list"], value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Print a rule's documentation: the fault, its consequences, an example and the fix
    #[arg(long, value_name = "CODE", exclusive = true)]
    explain: Option<String>,
    /// Print all rules, each with its severity
    #[arg(long, exclusive = true)]
    list: bool,
    /// Apply these rules alone: what no other rule reads is not read
    #[arg(long, value_name = "CODE", value_delimiter = ',')]
    select: Vec<String>,
    /// Make a rule's findings errors
    #[arg(long, value_name = "CODE")]
    deny: Vec<String>,
    /// Make a rule's findings warnings
    #[arg(long, value_name = "CODE")]
    warn: Vec<String>,
    /// Let LD_LIBRARY_PATH and LD_PRELOAD of this shell count
    #[arg(long, conflicts_with = "root")]
    env: bool,
    /// Silence a rule
    #[arg(long, value_name = "CODE")]
    allow: Vec<String>,
    #[command(flatten)]
    rules: RuleArgs,
    /// Remove the findings that fixup can remove, then print the rest
    #[arg(long, conflicts_with_all = ["diff", "root"])]
    fix: bool,
    /// Print the changes of --fix and write nothing; exit status 1 if there are any
    #[arg(long, conflicts_with_all = ["format", "statistics", "root"])]
    diff: bool,
    /// Print how many findings each rule has, rather than the findings
    #[arg(long)]
    statistics: bool,
    /// Output format
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
    /// The CUDA version that the package is built with
    #[arg(long, value_name = "VERSION")]
    cuda: Option<CudaVersion>,
    /// The newest CUDA version that the driver runs
    #[arg(long, value_name = "VERSION")]
    max_driver_cuda: Option<CudaVersion>,
    /// GPUs that the device code must run on, such as 8.6,9.0
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    capabilities: Vec<Capability>,
    /// Directory of the driver's libraries [default: /run/opengl-driver/lib, or that of the machine]
    #[arg(long, value_name = "DIR")]
    driver_link: Option<PathBuf>,
    /// All files are given a driver link on purpose
    #[arg(long)]
    driver_link_everywhere: bool,
    /// A toolkit farm of the build, which no RUNPATH may name
    #[arg(long, value_name = "DIR")]
    farm: Vec<PathBuf>,
    /// A directory of nvcc's host compiler, which no RUNPATH may name
    #[arg(long, value_name = "DIR")]
    host_compiler: Vec<PathBuf>,
    #[command(flatten)]
    jobs: Jobs,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Format {
    /// A line each
    Human,
    /// A JSON object each, one a line
    Json,
    /// One SARIF 2.1.0 document
    Sarif,
    /// A workflow command of GitHub Actions each, which shows it beside the file
    Github,
}

/// Lints, lists or explains.
pub(crate) fn run(mut args: Args) -> anyhow::Result<Outcome> {
    let mut out = BufWriter::new(terminal::stdout());
    if explain_or_list(&args, &mut out)? {
        out.flush()?;
        return Ok(Outcome::Fine);
    }
    let file = args.rules.exceptions()?;
    let levels = levels(&args, &file.config)?;
    let archives = archives::open(&mut args.paths, Extent::Needed)?;
    if archives.any() && (args.fix || args.diff) {
        bail!("--fix and --diff change no archive: unpack it first");
    }
    args.rules.root = archives::root(args.rules.root.as_deref(), &archives, &args.paths)?;
    // A fix also looks at what the user does not want to see.
    let rules = match args.fix || args.diff {
        true => SelectedRules::all(),
        false => levels.rules(),
    };
    let (mut findings, mut problems, contexts) = look(&args, &rules, &archives)?;
    let mut fixed = None;
    if args.fix || args.diff {
        let before = Selection::new(&findings, &file.config, &levels);
        let fix = fix::run(&args, &before, &mut out)?;
        if args.diff {
            out.flush()?;
            unreadable(&problems)?;
            return Ok(match fix.failed || !problems.is_empty() {
                true => Outcome::Errors,
                false if fix.changes > 0 => Outcome::Findings,
                false => Outcome::Fine,
            });
        }
        let all = before.reported.len();
        (findings, problems, _) = look(&args, &rules, &archives)?;
        let after = Selection::new(&findings, &file.config, &levels);
        fixed = Some((all.saturating_sub(after.reported.len()), fix.failed));
    }
    let Selection {
        reported, mut used, ..
    } = Selection::new(&findings, &file.config, &levels);
    // What was not looked for may be there.
    for (exception, used) in file.config.exception.iter().zip(&mut used) {
        *used |= !args.select.is_empty() && !args.select.contains(exception.code.as_ref());
    }
    print(&mut out, &args, &reported)?;
    out.flush()?;
    if let Format::Human = args.format {
        report_contexts(&rules, &contexts)?;
    }
    file.unused(&used)?;
    unreadable(&problems)?;
    let unread = !problems.is_empty() || !archives.problems.is_empty();
    if !unread && matches!(args.format, Format::Human) {
        let mut err = terminal::stderr();
        err.write_all(report::missing(&reported).as_bytes())?;
        writeln!(err, "{}", report::summary(&reported, fixed.map(|(n, _)| n)))?;
    }
    let failed = unread || fixed.is_some_and(|(_, failed)| failed);
    let errors = reported.iter().any(|t| t.severity == Severity::Error);
    Ok(match (failed, errors) {
        (true, _) => Outcome::Errors,
        (false, true) => Outcome::Findings,
        (false, false) => Outcome::Fine,
    })
}

/// Does what --explain and --list ask for.
fn explain_or_list(args: &Args, out: &mut impl Write) -> anyhow::Result<bool> {
    if let Some(code) = &args.explain {
        known(code).map_err(|error| anyhow!(error))?;
        if let Some(rule) = Rule::find(code) {
            let word = rule.severity.word();
            writeln!(out, "# {code} ({word})\n\n{}", rule.text())?;
        }
    } else if args.list {
        for rule in RULES {
            writeln!(out, "{:<36} {}", rule.code(), rule.severity.word())?;
        }
    }
    Ok(args.explain.is_some() || args.list)
}

/// Findings after the user's severities and exceptions.
struct Selection<'a> {
    /// Those that are printed.
    reported: Vec<ReportedFinding<'a>>,
    /// Those that the user wants to have, or not to see.
    wanted: Vec<&'a Finding>,
    /// Which exceptions cover a finding.
    used: Vec<bool>,
}

impl<'a> Selection<'a> {
    fn new(findings: &'a [Finding], config: &Config, levels: &Levels) -> Selection<'a> {
        let mut selection = Selection {
            reported: Vec::new(),
            wanted: Vec::new(),
            used: vec![false; config.exception.len()],
        };
        for finding in findings {
            let exception = config.exception(finding);
            match (levels.of(finding), exception) {
                (Some(severity), None) => {
                    selection
                        .reported
                        .push(ReportedFinding { finding, severity });
                    continue;
                }
                (Some(_), Some(at)) => selection.used[at] = true,
                (None, _) => {}
            }
            selection.wanted.push(finding);
        }
        selection
    }
}

fn unreadable(problems: &[scan::ScanProblem]) -> io::Result<()> {
    for problem in problems {
        let path = shown(&problem.path);
        message(
            Label::Error,
            format_args!("{path}: {}", shown(&problem.what)),
        )?;
    }
    Ok(())
}

fn levels(args: &Args, config: &Config) -> anyhow::Result<Levels> {
    let mut levels = Levels::new(config);
    if !args.select.is_empty() {
        for code in &args.select {
            known(code).map_err(|error| anyhow!(error))?;
        }
        levels.select(&args.select);
    }
    for (codes, level) in [
        (&args.allow, Level::Allow),
        (&args.warn, Level::Warning),
        (&args.deny, Level::Error),
    ] {
        for code in codes {
            known(code).map_err(|error| anyhow!(error))?;
            levels.set(code, level);
        }
    }
    Ok(levels)
}

/// The options in the arguments.
fn options(args: &Args, files: &LintFiles) -> Options {
    let store = args.rules.store();
    let stores = [Some(store.to_owned()), fs::canonicalize(store).ok()];
    let options = Options {
        cuda: args.cuda,
        max_driver_cuda: args.max_driver_cuda,
        capabilities: args.capabilities.clone(),
        stores: stores.into_iter().flatten().collect(),
        driver_link: args.driver_link.clone(),
        driver_link_everywhere: args.driver_link_everywhere,
        farms: args.farm.clone(),
        host_compilers: args.host_compiler.clone(),
        ..Options::default()
    };
    files.options(args.rules.context, options)
}

/// Prints which rules do not apply to some files, and why.
fn report_contexts(rules: &SelectedRules, contexts: &BTreeSet<Context>) -> io::Result<()> {
    for context in contexts {
        let silent = rules.silent(*context).map(|m| m.replace('_', "-"));
        let silent: Vec<String> = silent.collect();
        if silent.is_empty() {
            continue;
        }
        message(
            Label::Note,
            format_args!(
                "context {}: {}; {} do not apply there (--context nix applies all rules)",
                context.word(),
                context.title(),
                silent.join(", ")
            ),
        )?;
    }
    Ok(())
}

/// All findings, sorted by path and rule, what can't be read, and where the files are.
fn look(
    args: &Args,
    rules: &SelectedRules,
    archives: &Archives,
) -> anyhow::Result<(Vec<Finding>, Vec<scan::ScanProblem>, BTreeSet<Context>)> {
    let cwd = std::env::current_dir().context("cannot determine the current directory")?;
    let variable = |name: &str| {
        let value = std::env::var_os(name).filter(|value| args.env && !value.is_empty());
        value.map(OsStringExt::into_vec)
    };
    let environment = Environment {
        root: None,
        library_path: variable("LD_LIBRARY_PATH"),
        preload: variable("LD_PRELOAD"),
        nix_ld: NixLdVariables::read(variable),
        // A package is for all users.
        user: User::Ordinary,
        cwd,
        interpreter: None,
        cpu: Cpu::host(),
    };
    let pool = args.jobs.pool_for_paths(&args.paths)?;
    let find = || LintFiles::find(&args.paths, args.rules.root.as_deref(), rules.clone());
    let files = pool.install(find);
    let options = options(args, &files);
    let linter = files.linter(environment, options.clone());
    let seen = Arc::new(AtomicUsize::new(0));
    let _progress = Progress::files("linted", files.len(), &seen);
    let read = |shown: &Path, path: &Path, file: &FileReader| {
        seen.fetch_add(1, Ordering::Relaxed);
        let info = match scan::dynamic_info(file) {
            Ok(info) => info,
            Err(FileError::Skip(Skip::NotElf)) => {
                let found = linter.text_file(shown, path, file);
                return found.map_err(|e| FileError::Problem(elf_edit::reason(&e)));
            }
            Err(other) => return Err(other),
        };
        let found = linter.elf(shown, path, file, &info);
        found.map_err(|error| FileError::Problem(error.to_string()))
    };
    let mut findings = Vec::new();
    let mut members = Vec::new();
    let mut contexts = BTreeSet::new();
    let take = |_, looked: Looked| {
        contexts.extend(looked.member.as_ref().map(|member| member.context));
        findings.extend(looked.findings);
        members.extend(looked.member);
    };
    let problems = pool.install(|| files.read(read, take));
    let (roots, sayings) = (files.roots(), linter.sayings());
    let of_trees = lint::tree::check(roots, members, &options, rules, &findings, sayings);
    findings.extend(of_trees);
    archives::without_commands_of(&mut findings, archives, args.rules.root.as_deref(), sayings);
    // In place: equal ones are the same in all. One RUNPATH may have one fault several times.
    findings.sort_unstable();
    findings.dedup();
    Ok((findings, problems, contexts))
}

fn print(
    out: &mut impl Write,
    args: &Args,
    reported: &[ReportedFinding<'_>],
) -> anyhow::Result<()> {
    match (args.format, args.statistics) {
        (Format::Human, false) => write_findings(out, reported, Paint::stdout())?,
        (Format::Human, true) => report::write_statistics(out, reported)?,
        (Format::Json, false) => {
            for t in reported {
                writeln!(out, "{}", report::finding_json(*t))?;
            }
        }
        (Format::Json, true) => {
            for object in report::statistics_json(reported) {
                writeln!(out, "{object}")?;
            }
        }
        (Format::Sarif | Format::Github, true) => {
            bail!("--statistics goes with --format human or --format json")
        }
        (Format::Sarif, false) => {
            report::write_sarif(out, reported)?;
        }
        (Format::Github, false) => {
            for t in reported {
                writeln!(out, "{}", report::github(*t))?;
            }
        }
    }
    Ok(())
}

//! Runs a command once and measures its cost: the kernel's own accounts of the child and of all its
//! children.

use anyhow::Context;
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use std::ffi::OsString;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use wait4::Wait4;

/// Cost of one run.
#[derive(Clone, Debug)]
pub struct Sample {
    /// From start to end.
    pub wall: Duration,
    /// User and system time, of children too.
    pub cpu: Duration,
    /// The largest resident size of any one of its processes, in bytes.
    pub peak: u64,
    /// Bytes given to `read` and its like.
    pub read: u64,
    /// Bytes given to `write` and its like.
    pub written: u64,
    /// What it did not do well: its exit code, and the last line that it said.
    pub complaint: Option<String>,
}

/// A program, its arguments and surroundings; what it prints goes nowhere.
#[derive(Clone, Debug, Default)]
pub struct Job {
    /// Program and arguments.
    pub words: Vec<OsString>,
    /// Variables that are set for it.
    pub variables: Vec<(&'static str, OsString)>,
    /// The file that it reads as standard input.
    pub input: Option<std::path::PathBuf>,
}

impl Job {
    /// A command line.
    pub fn new<W: Into<OsString>>(words: impl IntoIterator<Item = W>) -> Job {
        Job {
            words: words.into_iter().map(Into::into).collect(),
            ..Job::default()
        }
    }

    /// Adds one more argument.
    pub fn and(mut self, word: impl Into<OsString>) -> Job {
        self.words.push(word.into());
        self
    }

    /// Adds arguments.
    pub fn and_all(mut self, words: &[&str]) -> Job {
        self.words.extend(words.iter().map(OsString::from));
        self
    }

    /// Sets a variable.
    pub fn with(mut self, name: &'static str, value: impl Into<OsString>) -> Job {
        self.variables.push((name, value.into()));
        self
    }

    /// Reads `file` as standard input.
    pub fn from(mut self, file: &Path) -> Job {
        self.input = Some(file.to_owned());
        self
    }

    /// The same job, as the child of `words`.
    fn under(&self, words: &[&str]) -> Job {
        let mut job = self.clone();
        let all = words.iter().map(OsString::from).chain(job.words);
        job.words = all.collect();
        job
    }
}

/// Runs `job`. `notes` is a directory for what it says on standard error.
pub fn run(job: &Job, notes: &Path) -> anyhow::Result<Sample> {
    let said = notes.join("stderr");
    let (program, arguments) = job.words.split_first().context("an empty command line")?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .envs(job.variables.iter().map(|(name, value)| (name, value)))
        .env("LC_ALL", "C")
        .stdin(match &job.input {
            Some(file) => File::open(file)?.into(),
            None => Stdio::null(),
        })
        .stdout(Stdio::null())
        .stderr(File::create(&said)?);
    let start = Instant::now();
    let mut child = command
        .spawn()
        .with_context(|| format!("{}: cannot be started", program.display()))?;
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let pid = pid.context("a child without a process id")?;
    // Its accounts of bytes can be read until it is reaped.
    waitid(
        WaitId::Pid(pid),
        WaitIdOptions::EXITED | WaitIdOptions::NOWAIT,
    )?;
    let wall = start.elapsed();
    let io = fs::read_to_string(format!("/proc/{}/io", child.id())).unwrap_or_default();
    let used = child.wait4()?;
    let bytes = |key: &str| {
        io.lines()
            .find_map(|line| line.strip_prefix(key)?.trim().parse().ok())
            .unwrap_or(0)
    };
    let complaint = (!used.status.success()).then(|| {
        let text = fs::read(&said).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let last = text.trim_end().lines().next_back().unwrap_or_default();
        format!("{}: {}", used.status, last.trim())
    });
    Ok(Sample {
        wall,
        cpu: used.rusage.utime + used.rusage.stime,
        peak: used.rusage.maxrss,
        read: bytes("rchar:"),
        written: bytes("wchar:"),
        complaint,
    })
}

/// How many system calls `job` makes, its children's too. perf counts them without stopping it;
/// where perf is not allowed to, strace does; where there is neither, they are not counted.
pub fn system_calls(job: &Job, notes: &Path) -> anyhow::Result<(Sample, Option<u64>)> {
    let out = notes.join("calls");
    let path = out.to_string_lossy().into_owned();
    let perf = [
        "perf",
        "stat",
        "-x,",
        "-o",
        &path,
        "-e",
        "raw_syscalls:sys_enter",
        "--",
    ];
    // The first field of the line with the event's name.
    let counted = |text: &str| -> Option<u64> {
        let line = text.lines().find(|line| line.contains("sys_enter"))?;
        line.split(',').next()?.trim().parse().ok()
    };
    if let Ok(sample) = run(&job.under(&perf), notes)
        && let Some(count) = counted(&fs::read_to_string(&out).unwrap_or_default())
    {
        return Ok((sample, Some(count)));
    }
    if !crate::peers::installed("strace") {
        return Ok((run(job, notes)?, None));
    }
    let sample = run(&job.under(&["strace", "-f", "-c", "-o", &path]), notes)?;
    let text = fs::read_to_string(&out)?;
    let total = text.lines().rev().find(|line| line.ends_with(" total"));
    let calls = total.and_then(|line| line.split_whitespace().nth(3)?.parse().ok());
    let calls: u64 = calls.context("strace -c without a total")?;
    Ok((sample, Some(calls)))
}

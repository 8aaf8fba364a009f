//! Every tool in turn, round after round, each writer on a copy of its own.

use crate::corpus::Corpus;
use crate::measure::{self, Job, Sample};
use crate::table::{Contest, Line};
use std::path::{Path, PathBuf};

/// Something to be compared. The tree, or the file, is the argument.
pub struct Tool {
    name: String,
    job: Box<dyn Fn(&Path) -> Job>,
    writes: bool,
    slow: bool,
}

impl Tool {
    /// A tool that only reads.
    pub fn reads(name: &str, job: impl Fn(&Path) -> Job + 'static) -> Tool {
        Tool {
            name: name.to_owned(),
            job: Box::new(job),
            writes: false,
            slow: false,
        }
    }

    /// A tool that leaves a changed tree behind.
    pub fn writes(name: &str, job: impl Fn(&Path) -> Job + 'static) -> Tool {
        Tool {
            writes: true,
            ..Tool::reads(name, job)
        }
    }

    /// Takes many seconds: its system calls are counted in the first round, not in another run.
    pub fn slow(self) -> Tool {
        Tool { slow: true, ..self }
    }
}

/// Where a contest happens.
pub struct Ring {
    /// Trees are copied here.
    pub scratch: PathBuf,
    /// Of every contest.
    pub rounds: Option<usize>,
    /// Small corpora, few rounds.
    pub quick: bool,
    /// Without tools that take many seconds.
    pub fast: bool,
    /// How many threads parallel tools may use.
    pub threads: usize,
}

impl Ring {
    /// How many rounds, where `usual` are enough for quiet figures.
    pub fn rounds(&self, usual: usize) -> usize {
        self.rounds.unwrap_or(if self.quick { 2 } else { usual })
    }

    /// Runs all `tools` in turn. Before the first round those that are fast run once for their
    /// system calls, which also warms them up.
    pub fn contest(
        &self,
        title: &str,
        corpus: &Corpus,
        tools: &[Tool],
        rounds: usize,
    ) -> anyhow::Result<Contest> {
        let mut lines: Vec<Line> = Vec::new();
        let mut copy = None;
        let fast_enough = |tool: &&Tool| !(self.fast && tool.slow);
        let tools: Vec<&Tool> = tools.iter().filter(fast_enough).collect();
        for &tool in &tools {
            let mut line = Line {
                tool: tool.name.clone(),
                samples: Vec::new(),
                calls: None,
            };
            if !tool.slow {
                let tree = self.copy(&mut copy, corpus)?;
                line.calls = measure::system_calls(&(tool.job)(&tree), &self.scratch)?.1;
                self.forget(&mut copy, tool);
            }
            lines.push(line);
        }
        for round in 0..rounds {
            for (&tool, line) in tools.iter().zip(&mut lines) {
                let tree = self.copy(&mut copy, corpus)?;
                let job = (tool.job)(&tree);
                let sample = if round == 0 && tool.slow {
                    let (sample, calls) = measure::system_calls(&job, &self.scratch)?;
                    line.calls = calls;
                    sample
                } else {
                    measure::run(&job, &self.scratch)?
                };
                self.tell(round, tool, &sample);
                line.samples.push(sample);
                self.forget(&mut copy, tool);
            }
        }
        Ok(Contest {
            title: format!("{title} — {}", corpus.name),
            lines,
            remarks: Vec::new(),
        })
    }

    fn copy(
        &self,
        copy: &mut Option<crate::corpus::Copy>,
        corpus: &Corpus,
    ) -> anyhow::Result<PathBuf> {
        let tree = match copy {
            Some(copy) => copy.tree.clone(),
            None => copy.insert(corpus.fresh(&self.scratch)?).tree.clone(),
        };
        Ok(tree)
    }

    /// What a writer has changed is of no more use.
    fn forget(&self, copy: &mut Option<crate::corpus::Copy>, tool: &Tool) {
        if tool.writes {
            *copy = None;
        }
    }

    fn tell(&self, round: usize, tool: &Tool, sample: &Sample) {
        eprintln!("  round {}: {:<40} {:?}", round + 1, tool.name, sample.wall);
    }
}

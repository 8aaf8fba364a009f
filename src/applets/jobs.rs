//! How many files are worked on at once.

use anyhow::Context;
use rayon::{ThreadPool, ThreadPoolBuilder};

/// `-j`, for every applet that works on files in parallel.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub struct Jobs {
    /// Files at once; 0: as many as there are cores [default: NIX_BUILD_CORES, else 0]
    #[arg(short, long, value_name = "N")]
    jobs: Option<usize>,
}

/// More threads than this are no help on any machine.
const MOST: usize = 256;

impl Jobs {
    /// The threads to work on.
    pub fn pool(self) -> anyhow::Result<ThreadPool> {
        self.pool_for(usize::MAX)
    }

    /// The threads to work on that many files: one file is not worth a second thread.
    pub fn pool_for(self, files: usize) -> anyhow::Result<ThreadPool> {
        let of_nix = || std::env::var("NIX_BUILD_CORES").ok()?.parse().ok();
        let threads = match files {
            0 | 1 => 1,
            _ => self.jobs.or_else(of_nix).unwrap_or(0).min(MOST),
        };
        ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .context("cannot start threads")
    }
}

//! Number of files to work on in parallel.

use anyhow::Context;
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::path::PathBuf;

/// Counts where `-j` is not given.
pub(super) const VARIABLE: &str = "NIX_BUILD_CORES";

/// `-j`, for every applet that works on files in parallel.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub(super) struct Jobs {
    /// Files at once; 0: as many as there are cores [default: NIX_BUILD_CORES, else 0]
    #[arg(short, long, value_name = "N")]
    jobs: Option<usize>,
}

/// More threads than this are no help on any machine.
const MOST: usize = 256;

impl Jobs {
    /// The threads to work on.
    pub(super) fn pool(self) -> anyhow::Result<ThreadPool> {
        self.pool_for(usize::MAX)
    }

    /// The threads to work on these paths: one file is not worth a second thread.
    pub(super) fn pool_for_paths(self, paths: &[PathBuf]) -> anyhow::Result<ThreadPool> {
        self.pool_for(match paths {
            [path] if !path.is_dir() => 1,
            _ => usize::MAX,
        })
    }

    fn pool_for(self, files: usize) -> anyhow::Result<ThreadPool> {
        let of_nix = std::env::var(VARIABLE).ok();
        ThreadPoolBuilder::new()
            .num_threads(self.threads(files, of_nix.as_deref()))
            .build()
            .context("cannot start threads")
    }

    /// Number of threads; 0 for one per core.
    fn threads(self, files: usize, of_nix: Option<&str>) -> usize {
        match files {
            0 | 1 => 1,
            _ => {
                let of_nix = || of_nix?.parse().ok();
                self.jobs.or_else(of_nix).unwrap_or(0).min(MOST)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_option_counts_before_nix_and_one_file_needs_one_thread() {
        let (given, default) = (Jobs { jobs: Some(3) }, Jobs::default());
        assert_eq!(given.threads(9, Some("5")), 3);
        assert_eq!(default.threads(9, Some("5")), 5);
        assert_eq!(default.threads(9, Some("many")), 0);
        assert_eq!(default.threads(9, None), 0);
        assert_eq!(default.threads(usize::MAX, Some("100000")), MOST);
        assert_eq!(given.threads(1, Some("5")), 1);
    }
}

//! Number of files to work on in parallel.

use anyhow::Context;
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::num::NonZero;
use std::path::PathBuf;
use std::thread;
use walkdir::WalkDir;

/// The most threads where `-j` is not given.
pub(super) const VARIABLE: &str = "NIX_BUILD_CORES";

/// `-j`, for every applet that works on files in parallel.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub(super) struct Jobs {
    /// Files at once; 0: as many as there are cores [default: those, NIX_BUILD_CORES or 8, whichever is least]
    #[arg(short, long, value_name = "N")]
    jobs: Option<usize>,
}

/// More threads than this are no help on any machine.
const MOST: usize = 256;
/// Threads where the user names no number. With 16 a run that changes files, or finds nothing to
/// do, takes as long as with 8 and twice the processor time: most of it is the kernel's, whose
/// locks on directories and on the process's open files all threads share (docs/performance.md).
const USUAL: usize = 8;

impl Jobs {
    /// The threads to work on.
    pub(super) fn pool(self) -> anyhow::Result<ThreadPool> {
        self.pool_for(usize::MAX)
    }

    /// The threads to work on these paths: one file, or a few small ones, are not worth a second
    /// thread.
    pub(super) fn pool_for_paths<'a>(
        self,
        paths: impl IntoIterator<Item = &'a PathBuf> + Clone,
    ) -> anyhow::Result<ThreadPool> {
        let mut given = paths.clone().into_iter();
        let is_one_file = given.next().is_some_and(|path| !path.is_dir()) && given.next().is_none();
        self.pool_for(match is_one_file || is_little(paths) {
            true => 1,
            false => usize::MAX,
        })
    }

    fn pool_for(self, files: usize) -> anyhow::Result<ThreadPool> {
        let of_nix = std::env::var(VARIABLE).ok();
        let cores = || thread::available_parallelism().map_or(1, NonZero::get);
        let threads = self.threads(files, of_nix.as_deref(), cores);
        let builder = || ThreadPoolBuilder::new().num_threads(threads);
        // Starting a thread takes a fifth of a short run. A thread can be in one such pool only.
        let own = (threads == 1).then(|| builder().use_current_thread().build().ok());
        match own.flatten() {
            Some(pool) => Ok(pool),
            None => builder().build().context("cannot start threads"),
        }
    }

    /// Number of threads; 0 for one per core.
    fn threads(self, files: usize, of_nix: Option<&str>, cores: impl Fn() -> usize) -> usize {
        match (files, self.jobs) {
            (0 | 1, _) => 1,
            (_, Some(jobs)) => jobs.min(MOST),
            (_, None) => {
                let of_nix = of_nix.and_then(|number| number.parse().ok());
                let of_nix = of_nix.filter(|number| *number > 0);
                of_nix.unwrap_or(USUAL).min(cores()).min(USUAL)
            }
        }
    }
}

/// Files and directories that one thread has done before others have started.
const LITTLE: usize = 16;
/// And their bytes: contents may be searched, too.
const LITTLE_BYTES: u64 = 1 << 20;

/// Whether there is little in these trees. Stops at the first entry too many.
fn is_little<'a>(paths: impl IntoIterator<Item = &'a PathBuf>) -> bool {
    let (mut entries, mut bytes) = (0, 0);
    for entry in paths.into_iter().flat_map(WalkDir::new) {
        // An error is for the applet to report.
        let Ok(metadata) = entry.and_then(|entry| entry.metadata()) else {
            return false;
        };
        entries += 1;
        bytes += metadata.len();
        if entries > LITTLE || bytes > LITTLE_BYTES {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use rayon::prelude::*;
    use std::fs::{self, File};

    #[test]
    fn few_and_small_files_are_little() {
        let dir = tempfile::tempdir().unwrap();
        let paths = [dir.path().to_owned()];
        for at in 1..LITTLE {
            assert!(is_little(&paths));
            fs::write(dir.path().join(at.to_string()), "text").unwrap();
        }
        assert!(is_little(&paths));
        assert!(!is_little([&paths[0], &paths[0]]));
        fs::write(dir.path().join("one more"), "").unwrap();
        assert!(!is_little(&paths));

        let large = dir.path().join("1");
        let file = File::options().write(true).open(&large).unwrap();
        file.set_len(LITTLE_BYTES + 1).unwrap();
        assert!(!is_little(&[large]));
        assert!(!is_little(&[dir.path().join("missing")]));
    }

    #[test]
    fn one_thread_is_the_callers_own_once() {
        let dir = tempfile::tempdir().unwrap();
        let little = [dir.path().to_owned()];
        // Not the thread of another test.
        let own = thread::spawn(move || {
            let ids = || {
                let pool = Jobs::default().pool_for_paths(&little).unwrap();
                let sum = || (1..100_u64).into_par_iter().sum::<u64>();
                assert_eq!(pool.install(sum), 4950);
                let all = pool.broadcast(|_| thread::current().id());
                assert_eq!(all, [pool.install(|| thread::current().id())]);
                (pool, all[0])
            };
            let ((_first, first), (_second, second)) = (ids(), ids());
            assert_ne!(first, second);
            first == thread::current().id()
        });
        assert!(own.join().unwrap());
    }

    #[test]
    fn the_option_counts_before_nix_and_one_file_needs_one_thread() {
        let (given, default) = (Jobs { jobs: Some(3) }, Jobs::default());
        let of_16 = |jobs: Jobs, files, of_nix| jobs.threads(files, of_nix, || 16);
        assert_eq!(of_16(given, 9, Some("5")), 3);
        assert_eq!(of_16(default, 9, Some("5")), 5);
        for of_nix in [Some("many"), Some("0"), Some("100000"), None] {
            assert_eq!(of_16(default, 9, of_nix), USUAL);
            assert_eq!(default.threads(9, of_nix, || 2), 2);
        }
        assert_eq!(of_16(Jobs { jobs: Some(0) }, 9, Some("5")), 0);
        assert_eq!(of_16(Jobs { jobs: Some(1000) }, 9, None), MOST);
        assert_eq!(of_16(given, 1, Some("5")), 1);
    }
}

//! `cuda-fixup.toml`: where it is, and messages about it.

use crate::escape::{sentence, shown};
use crate::lint::config::{Config, Exception, line_of};
use crate::scan::read_small_text;
use crate::terminal::{Label, message};
use anyhow::{Context, anyhow};
use std::io;
use std::path::{Path, PathBuf};

/// The file of exceptions that is read where none is named.
const CONFIG: &str = "cuda-fixup.toml";
/// No list of exceptions is longer.
const LARGEST: u64 = 16 << 20;

/// The file of exceptions.
pub(in crate::applets) struct ConfigFile {
    path: PathBuf,
    text: String,
    pub(in crate::applets) config: Config,
}

impl ConfigFile {
    /// The file that is named, else the nearest one; without one, nothing is excepted.
    pub(in crate::applets) fn read(named: Option<&Path>) -> anyhow::Result<ConfigFile> {
        let found = match named {
            Some(path) => Some(path.to_owned()),
            None => config_above(&std::env::current_dir()?),
        };
        let path = found.unwrap_or_else(|| CONFIG.into());
        let text = match read_small_text(&path, LARGEST) {
            Err(error) if named.is_none() && error.kind() == io::ErrorKind::NotFound => {
                String::new()
            }
            other => other.with_context(|| shown(&path).to_string())?,
        };
        let config = Config::parse(&text).map_err(|error| {
            let what = sentence(&error.what);
            anyhow!("{}:{}: {what}", shown(&path), error.line)
        })?;
        Ok(ConfigFile { path, text, config })
    }

    /// Warns of exceptions that cover nothing.
    pub(super) fn unused(&self, used: &[bool]) -> io::Result<()> {
        let exceptions = self.config.exception.iter().zip(used);
        for (Exception { code, .. }, _) in exceptions.filter(|(_, used)| !**used) {
            let what = format!("the exception for `{}` covers no finding", code.as_ref());
            message(Label::Warning, self.at(code.span().start, &what))?;
        }
        Ok(())
    }

    /// `cuda-fixup.toml:3: what`
    fn at(&self, byte: usize, what: &str) -> String {
        let what = sentence(what);
        format!(
            "{}:{}: {what}",
            shown(&self.path),
            line_of(&self.text, byte)
        )
    }
}

/// The nearest file of exceptions: in this directory, else in one that it is in.
fn config_above(directory: &Path) -> Option<PathBuf> {
    let mut all = directory.ancestors().map(|above| above.join(CONFIG));
    all.find(|file| file.symlink_metadata().is_ok())
}

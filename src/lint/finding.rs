//! Findings: which file, which rule, and what it says. A tree may have a hundred thousand with the
//! same words.

use super::{Context, RULES, Said, Severity};
use crate::advice::{Advice, Remedy};
use foldhash::HashSet;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// Takes the place of the path in texts that findings share.
const PATH: &str = "\0";

/// A finding of a rule in a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    pub path: Arc<Path>,
    /// Place of the rule in [`RULES`].
    pub rule: usize,
    saying: Arc<Saying>,
    /// Where the file is, which decides which rules apply.
    pub context: Context,
}

/// The words of a finding.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Saying {
    message: Box<str>,
    advice: Advice,
    /// Its texts have [`PATH`] for the path.
    path_left_out: bool,
    /// The library that is not found.
    missing: Option<Box<[u8]>>,
    /// `--fix` leaves it, whatever its rule.
    by_hand: bool,
}

/// The words of all findings of a run, each once.
#[derive(Debug, Default)]
pub(crate) struct Sayings(Mutex<HashSet<Arc<Saying>>>);

impl Sayings {
    fn share(&self, saying: Saying) -> Arc<Saying> {
        // A thread that panicked left the set whole.
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = all.get(&saying) {
            return known.clone();
        }
        let saying = Arc::new(saying);
        all.insert(saying.clone());
        saying
    }
}

impl Finding {
    /// One with the help that its rule has for all findings.
    pub(crate) fn new(
        path: Arc<Path>,
        rule: usize,
        context: Context,
        said: Said,
        sayings: &Sayings,
    ) -> Finding {
        let Said {
            message,
            mut advice,
            missing,
            by_hand,
        } = said;
        let fix = RULES.get(rule).and_then(|rule| rule.fix);
        if advice.helps.is_empty()
            && let Some(help) = fix.and_then(|fix| fix.help(&path))
        {
            advice.helps = vec![help];
        }
        let (advice, path_left_out) = without_path(advice, &path);
        let saying = sayings.share(Saying {
            message: message.into(),
            advice,
            path_left_out,
            missing: missing.map(Vec::into_boxed_slice),
            by_hand,
        });
        Finding {
            path,
            rule,
            saying,
            context,
        }
    }

    pub(crate) fn message(&self) -> &str {
        &self.saying.message
    }

    /// Causes, and what removes the finding.
    pub(crate) fn advice(&self) -> Advice {
        let mut advice = self.saying.advice.clone();
        if let Some(path) = self.path.to_str().filter(|_| self.saying.path_left_out) {
            replace(&mut advice, PATH, path);
        }
        advice
    }

    /// What `--fix` can do about it, besides what it does for all findings of the rule.
    pub(crate) fn remedies(&self) -> &[Remedy] {
        &self.saying.advice.remedies
    }

    /// The library that is not found.
    pub(crate) fn missing(&self) -> Option<&[u8]> {
        self.saying.missing.as_deref()
    }

    pub(crate) fn change_advice(&mut self, sayings: &Sayings, change: impl FnOnce(&mut Advice)) {
        let mut advice = self.advice();
        change(&mut advice);
        let (advice, path_left_out) = without_path(advice, &self.path);
        self.saying = sayings.share(Saying {
            advice,
            path_left_out,
            ..Saying::clone(&self.saying)
        });
    }

    /// Whether `--fix` may remove it.
    pub(crate) fn is_fixable(&self) -> bool {
        let by_rule = RULES.get(self.rule).is_some_and(|rule| rule.fix.is_some());
        (by_rule && !self.saying.by_hand) || !self.remedies().is_empty()
    }
}

/// Advice that files of other names can share, and whether it has [`PATH`] for the path.
fn without_path(advice: Advice, path: &Path) -> (Advice, bool) {
    let mut advice = advice.settled();
    let all = || advice.notes.iter().chain(&advice.helps);
    let path = path.to_str().filter(|path| !path.is_empty());
    match path.filter(|path| all().any(|text| text.contains(path))) {
        Some(path) if !all().any(|text| text.contains(PATH)) => {
            replace(&mut advice, path, PATH);
            (advice, true)
        }
        _ => (advice, false),
    }
}

fn replace(advice: &mut Advice, from: &str, to: &str) {
    for text in advice.notes.iter_mut().chain(&mut advice.helps) {
        if text.contains(from) {
            *text = text.replace(from, to);
        }
    }
}

/// One finding with the severity that the user gave its rule.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReportedFinding<'a> {
    pub finding: &'a Finding,
    pub severity: Severity,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_share_their_words_and_print_their_own() {
        let sayings = Sayings::default();
        let finding = |path: &str, texts: [&str; 2]| {
            let mut said = Said::from("has x".to_owned());
            let [note, help] = texts.map(str::to_owned);
            (said.advice.notes, said.advice.helps) = (vec![note], vec![help]);
            Finding::new(Path::new(path).into(), 0, Context::Nix, said, &sayings)
        };
        let one = finding("a/b", ["in a/b", "do 'a/b' a/b"]);
        let other = finding("c", ["in c", "do 'c' c"]);
        assert_ne!(one.advice(), other.advice());
        assert_eq!(other.advice().helps, ["do 'c' c"]);
        // Of this one the c of `exec` is replaced, too, and comes back.
        assert_eq!(finding("c", ["exec", "y"]).advice().notes, ["exec"]);
        let same = finding("d/e", ["in d/e", "do 'd/e' d/e"]);
        assert!(Arc::ptr_eq(&one.saying, &same.saying));
        assert_eq!(same.advice().notes, ["in d/e"]);
        let odd = finding("a", ["a \0", "a"]);
        assert_eq!(
            odd.advice().lines().collect::<Vec<_>>(),
            ["note: a \0", "help: a"]
        );
        let mut changed = one.clone();
        changed.change_advice(&sayings, |advice| advice.helps.clear());
        assert_eq!(changed.advice().notes, ["in a/b"]);
        assert_eq!(changed.advice().helps, [""; 0]);
        assert_eq!(one.message(), "has x");
    }
}

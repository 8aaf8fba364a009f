//! The rules of a run, and the inputs that they have in common: what no rule reads is not read.

use super::{Context, RULES, Rule};
use std::collections::BTreeSet;

/// An input of rules beside the headers of the file and of those that are loaded with it. A rule
/// that does not list one finds it empty when it is the only rule of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Input {
    /// The file's read-only data: names of libraries, a CUDA runtime.
    Strings,
    DeviceCode,
    /// What the relocations of all objects ask for.
    Symbols,
    /// The symbols of CUDA's libraries.
    Interfaces,
    /// The CUDA runtimes of the objects that are loaded with the file, also those that are linked
    /// into an object, which takes a search of its data.
    Runtimes,
    /// Those of them that are libraries of their own.
    SharedRuntimes,
    /// Samples of the code of a large library.
    Samples,
    /// The file that opens a plugin by name; nothing is read where no library is missing.
    Opener,
}

/// The rules of a run.
#[derive(Clone, Debug)]
pub(crate) struct SelectedRules(Vec<bool>);

impl SelectedRules {
    pub(crate) fn all() -> SelectedRules {
        SelectedRules(vec![true; RULES.len()])
    }

    /// By the place of each rule in [`RULES`].
    pub(crate) fn new(selected: impl Iterator<Item = bool>) -> SelectedRules {
        SelectedRules(selected.collect())
    }

    /// The rules for files of a context, each with its place in [`RULES`].
    pub(super) fn of(&self, context: Context) -> impl Iterator<Item = (usize, &'static Rule)> {
        let selected = self.iter();
        selected.filter(move |(_, rule)| context.applies(rule))
    }

    /// All rules of the run.
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &'static Rule)> {
        let all = RULES.iter().zip(&self.0).enumerate();
        all.filter_map(|(at, (rule, selected))| selected.then_some((at, rule)))
    }

    /// Modules of the rules of the run that do not apply in a context.
    pub(crate) fn silent(&self, context: Context) -> impl Iterator<Item = &'static str> {
        let silent = context.silent().iter().copied();
        silent.filter(|module| self.iter().any(|(_, rule)| rule.module == *module))
    }

    /// What those rules read.
    pub(super) fn inputs(&self, context: Context) -> BTreeSet<Input> {
        let inputs = self.of(context).flat_map(|(_, rule)| rule.inputs);
        inputs.copied().collect()
    }

    /// Whether any rule of the run reads this.
    pub(super) fn read(&self, input: Input) -> bool {
        self.iter().any(|(_, rule)| rule.inputs.contains(&input))
    }
}

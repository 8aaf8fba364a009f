//! The dynamic section and the interpreter after all edits, without offsets in the file.

pub(crate) mod search;

pub(crate) use search::CacheTarget;

use crate::read::headers::ElfInfo;
use crate::rewrite::edit::Edit;
pub(crate) use crate::rewrite::entries::{NamedEntry, names_string};
use crate::rewrite::entries::{places, restore, texts};
use crate::rewrite::refusal::Refusal;
use crate::{Dyn, Kind};
use object::elf;
use std::borrow::Cow;

/// The state that the edits ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// PT_INTERP, where it changes.
    pub interpreter: Option<Vec<u8>>,
    /// All dynamic entries in order, without the terminating DT_NULL.
    pub entries: Vec<NamedEntry>,
    /// NEEDED names that change, for `.gnu.version_r`: (from, to).
    pub renamed_needed: Vec<(Vec<u8>, Vec<u8>)>,
    /// Offsets into the string table of strings that dynamic entries no longer name.
    pub dropped: Vec<u64>,
    /// `EI_OSABI`, where it changes.
    pub os_abi: Option<u8>,
    /// Executable stack on or off, `None` if unchanged.
    pub executable_stack: Option<bool>,
    /// Dynamic symbols that lose their version.
    pub unversioned: Vec<Vec<u8>>,
    /// Dynamic symbols that get other names: (from, to).
    pub renamed_symbols: Vec<(Vec<u8>, Vec<u8>)>,
    /// The resolution cache, where it changes.
    pub resolution_cache: Option<CacheTarget>,
}

impl Target {
    /// Applies `edits` to the decoded headers.
    pub fn new(info: &ElfInfo, edits: &[Edit]) -> Result<Target, Refusal> {
        if matches!(
            info.kind,
            Kind::Object | Kind::Core | Kind::SeparateDebug | Kind::Other
        ) {
            return Err(Refusal::Kind(info.kind.as_str()));
        }
        let mut builder = Builder::new(info);
        for edit in edits {
            builder.apply(edit)?;
        }
        Ok(builder.finish())
    }

    /// Whether the file is as requested already. Ignores symbols.
    pub fn is_reached(&self, info: &ElfInfo) -> bool {
        self.interpreter.is_none()
            && self.os_abi.is_none()
            && self.executable_stack.is_none()
            && self.unversioned.is_empty()
            && self.renamed_symbols.is_empty()
            && self.resolution_cache.is_none()
            && !self.changes_dynamic(info)
    }

    /// Whether the dynamic section is to change at all.
    pub fn changes_dynamic(&self, info: &ElfInfo) -> bool {
        let old = info.dynamic.as_ref().map_or(&[][..], |d| &d.entries);
        self.entries.len() != old.len()
            || self.entries.iter().zip(old).any(|(new, old)| {
                new.string.is_some() || new.tag != old.tag || new.value != old.value
            })
    }
}

struct Builder<'a> {
    info: &'a ElfInfo,
    interpreter: Option<Vec<u8>>,
    /// Each entry with the text it names now, where it names a string.
    entries: Vec<(NamedEntry, Option<Cow<'a, [u8]>>)>,
    renamed_needed: Vec<(Vec<u8>, Vec<u8>)>,
    os_abi: Option<u8>,
    executable_stack: Option<bool>,
    unversioned: Vec<Vec<u8>>,
    renamed_symbols: Vec<(Vec<u8>, Vec<u8>)>,
    resolution_cache: Option<CacheTarget>,
}

impl<'a> Builder<'a> {
    fn new(info: &'a ElfInfo) -> Builder<'a> {
        let old = info.dynamic.as_ref().map_or(&[][..], |d| &d.entries);
        let entries = old
            .iter()
            .zip(texts(info))
            .enumerate()
            .map(|(index, (d, text))| {
                let Dyn { tag, value } = *d;
                (
                    NamedEntry {
                        tag,
                        value,
                        string: None,
                        old_index: Some(index),
                    },
                    text.map(Cow::Borrowed),
                )
            });
        Builder {
            info,
            interpreter: None,
            entries: entries.collect(),
            renamed_needed: Vec::new(),
            os_abi: None,
            executable_stack: None,
            unversioned: Vec::new(),
            renamed_symbols: Vec::new(),
            resolution_cache: None,
        }
    }

    fn apply(&mut self, edit: &Edit) -> Result<(), Refusal> {
        match edit {
            Edit::SetInterpreter(path) => self.set_interpreter(path),
            Edit::SetRunpath(value) => self.set_runpath(elf::DT_RUNPATH, elf::DT_RPATH, value),
            Edit::SetRpath(value) => self.set_runpath(elf::DT_RPATH, elf::DT_RUNPATH, value),
            Edit::RemoveRunpath => {
                if self.info.dynamic.is_some() {
                    self.entries
                        .retain(|(e, _)| e.tag != elf::DT_RUNPATH && e.tag != elf::DT_RPATH);
                }
                Ok(())
            }
            Edit::SetSoname(name) => {
                self.loaded("a SONAME")?;
                self.set_string(elf::DT_SONAME, name, "the SONAME")
            }
            Edit::AddNeeded(name) => self.add_needed(name),
            Edit::RemoveNeeded(name) => {
                self.entries.retain(|(e, text)| {
                    e.tag != elf::DT_NEEDED || text.as_deref() != Some(name.as_slice())
                });
                Ok(())
            }
            Edit::ReplaceNeeded { from, to } => self.replace_needed(from, to),
            Edit::NoDefaultLib => self.no_default_lib(),
            Edit::AddDebugTag => self.add_debug_tag(),
            Edit::SetOsAbi(abi) => {
                self.os_abi = (*abi != self.info.header.os_abi).then_some(*abi);
                Ok(())
            }
            Edit::SetExecutableStack(wanted) => {
                let stack = self
                    .info
                    .segments
                    .iter()
                    .find(|s| s.p_type == elf::PT_GNU_STACK);
                let now = stack.map(|s| s.flags & elf::PF_X != 0);
                self.executable_stack = (now != Some(*wanted)).then_some(*wanted);
                Ok(())
            }
            Edit::ClearSymbolVersion(name) => {
                self.dynamic("a symbol version")?;
                self.unversioned.push(name.clone());
                Ok(())
            }
            Edit::RenameSymbols(names) => {
                self.dynamic("a dynamic symbol")?;
                for (from, to) in names.iter().filter(|(from, to)| from != to) {
                    no_nul(to, "the symbol's name")?;
                    self.renamed_symbols.push((from.clone(), to.clone()));
                }
                Ok(())
            }
            Edit::SetResolutionCache(description) => {
                self.loaded("a resolution cache")?;
                self.resolution_cache = Some(CacheTarget::Set(description.clone()));
                Ok(())
            }
            Edit::RemoveResolutionCache => {
                self.resolution_cache = Some(CacheTarget::Removed);
                Ok(())
            }
        }
    }

    fn dynamic(&self, what: &'static str) -> Result<(), Refusal> {
        if self.info.dynamic.is_none() {
            return Err(Refusal::NotDynamic(what, self.info.kind.as_str()));
        }
        Ok(())
    }

    /// Like `dynamic`, for entries that only a loader reads. (The start-up code of a static PIE
    /// fills in DT_DEBUG, too.)
    fn loaded(&self, what: &'static str) -> Result<(), Refusal> {
        self.dynamic(what)?;
        match self.info.kind {
            Kind::StaticPie => Err(Refusal::Unread(what)),
            _ => Ok(()),
        }
    }

    fn set_interpreter(&mut self, path: &[u8]) -> Result<(), Refusal> {
        no_nul(path, "the interpreter")?;
        let Some(now) = &self.info.interpreter else {
            return Err(Refusal::NoInterpreter(self.info.kind.as_str()));
        };
        let named = self.info.segments.iter();
        let named = named.filter(|s| s.p_type == elf::PT_INTERP).count();
        if named > 1 {
            // Linux takes the first, glibc's loader the last for its own name.
            return Err(Refusal::Malformed(format!(
                "{named} PT_INTERP program headers, expected one: which of them counts is not \
                 defined"
            )));
        }
        self.interpreter = (now.as_slice() != path).then(|| path.to_vec());
        Ok(())
    }

    fn set_runpath(&mut self, tag: i64, other: i64, value: &[u8]) -> Result<(), Refusal> {
        self.dynamic("a RUNPATH")?;
        if self.info.kind == Kind::StaticPie {
            return Err(Refusal::StaticPie);
        }
        if !self.entries.iter().any(|(e, _)| e.tag == tag) {
            // The old-style entry, if any, becomes the new one in its place.
            if let Some((entry, _)) = self.entries.iter_mut().rev().find(|(e, _)| e.tag == other) {
                entry.tag = tag;
            }
        }
        self.entries.retain(|(e, _)| e.tag != other);
        self.set_string(tag, value, "the RUNPATH")
    }

    /// Sets the string of the last entry of `tag`, as ld.so uses the last, and removes the others.
    fn set_string(&mut self, tag: i64, value: &[u8], what: &'static str) -> Result<(), Refusal> {
        no_nul(value, what)?;
        let last = self.entries.iter().rposition(|(e, _)| e.tag == tag);
        let mut at = 0;
        self.entries.retain(|(e, _)| {
            at += 1;
            e.tag != tag || Some(at - 1) == last
        });
        match self.entries.iter_mut().find(|(e, _)| e.tag == tag) {
            Some((entry, text)) => set_text(entry, text, value),
            None => self.entries.push(new_entry(tag, value)),
        }
        Ok(())
    }

    fn add_needed(&mut self, name: &[u8]) -> Result<(), Refusal> {
        self.loaded("a NEEDED")?;
        no_nul(name, "the NEEDED name")?;
        let is_needed = |(e, _): &&(NamedEntry, Option<Cow<'_, [u8]>>)| e.tag == elf::DT_NEEDED;
        if self
            .entries
            .iter()
            .filter(is_needed)
            .any(|(_, t)| t.as_deref() == Some(name))
        {
            return Ok(());
        }
        let first = self
            .entries
            .iter()
            .position(|(e, _)| e.tag == elf::DT_NEEDED)
            .unwrap_or(0);
        self.entries.insert(first, new_entry(elf::DT_NEEDED, name));
        Ok(())
    }

    fn replace_needed(&mut self, from: &[u8], to: &[u8]) -> Result<(), Refusal> {
        no_nul(to, "the NEEDED name")?;
        if from == to {
            return Ok(());
        }
        let mut found = false;
        for (entry, text) in &mut self.entries {
            if entry.tag == elf::DT_NEEDED && text.as_deref() == Some(from) {
                set_text(entry, text, to);
                found = true;
            }
        }
        if found {
            self.renamed_needed.push((from.to_vec(), to.to_vec()));
        }
        Ok(())
    }

    fn no_default_lib(&mut self) -> Result<(), Refusal> {
        self.loaded("DF_1_NODEFLIB")?;
        let flag = u64::from(elf::DF_1_NODEFLIB);
        match self
            .entries
            .iter_mut()
            .rev()
            .find(|(e, _)| e.tag == elf::DT_FLAGS_1)
        {
            Some((entry, _)) => entry.value |= flag,
            None => self.entries.push((
                NamedEntry {
                    tag: elf::DT_FLAGS_1,
                    value: flag,
                    string: None,
                    old_index: None,
                },
                None,
            )),
        }
        Ok(())
    }

    fn add_debug_tag(&mut self) -> Result<(), Refusal> {
        self.dynamic("DT_DEBUG")?;
        if !self.entries.iter().any(|(e, _)| e.tag == elf::DT_DEBUG) {
            let entry = NamedEntry {
                tag: elf::DT_DEBUG,
                value: 0,
                string: None,
                old_index: None,
            };
            self.entries.push((entry, None));
        }
        Ok(())
    }

    fn finish(self) -> Target {
        let resolution_cache = self.cache_change();
        let mut entries: Vec<NamedEntry> = self.entries.into_iter().map(|(e, _)| e).collect();
        restore(self.info, &mut entries);
        let old = self.info.dynamic.as_ref().map_or(&[][..], |d| &d.entries);
        let kept = |at: Option<usize>| at.is_some_and(|at| entries[at].string.is_none());
        let mut dropped: Vec<u64> = old
            .iter()
            .zip(places(&entries, old.len()))
            .filter(|(d, place)| names_string(d.tag) && !kept(*place))
            .map(|(d, _)| d.value)
            .collect();
        dropped.sort_unstable();
        dropped.dedup();
        Target {
            interpreter: self.interpreter,
            entries,
            renamed_needed: self.renamed_needed,
            dropped,
            os_abi: self.os_abi,
            executable_stack: self.executable_stack,
            unversioned: self.unversioned,
            renamed_symbols: self.renamed_symbols,
            resolution_cache,
        }
    }
}

fn new_entry<'a>(tag: i64, text: &[u8]) -> (NamedEntry, Option<Cow<'a, [u8]>>) {
    let entry = NamedEntry {
        tag,
        value: 0,
        string: Some(text.to_vec()),
        old_index: None,
    };
    (entry, Some(text.to_vec().into()))
}

fn set_text(entry: &mut NamedEntry, text: &mut Option<Cow<'_, [u8]>>, value: &[u8]) {
    if text.as_deref() != Some(value) {
        entry.string = Some(value.to_vec());
        *text = Some(value.to_vec().into());
    }
}

fn no_nul(bytes: &[u8], what: &'static str) -> Result<(), Refusal> {
    if bytes.contains(&0) {
        Err(Refusal::NulInside(what))
    } else {
        Ok(())
    }
}

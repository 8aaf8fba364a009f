//! The effect of a request on one file: lines to print and edits, in patchelf's order.

use super::cache;
use super::flags::PatchelfRequest;
use super::shrink::shrink;
use anyhow::{anyhow, bail};
use cache::BuiltCache;
use elf_edit::{Edit, ElfInfo, FileReader, Kind};
use object::elf;
use std::collections::BTreeMap;
use std::io::Write;

pub(super) struct Streams<'a> {
    pub(super) out: &'a mut dyn Write,
    pub(super) err: &'a mut dyn Write,
}

/// EI_OSABI by the names that `--print-os-abi` prints.
const OS_ABIS: [(&str, u8); 12] = [
    ("System V", elf::ELFOSABI_SYSV),
    ("HP-UX", elf::ELFOSABI_HPUX),
    ("NetBSD", elf::ELFOSABI_NETBSD),
    ("Linux", elf::ELFOSABI_GNU),
    ("GNU Hurd", elf::ELFOSABI_HURD),
    ("Solaris", elf::ELFOSABI_SOLARIS),
    ("AIX", elf::ELFOSABI_AIX),
    ("IRIX", elf::ELFOSABI_IRIX),
    ("FreeBSD", elf::ELFOSABI_FREEBSD),
    ("Tru64", elf::ELFOSABI_TRU64),
    ("OpenBSD", elf::ELFOSABI_OPENBSD),
    ("OpenVMS", elf::ELFOSABI_OPENVMS),
];
/// More names that `--set-os-abi` accepts.
const OS_ABI_ALIASES: [(&str, u8); 2] = [("GNU", elf::ELFOSABI_GNU), ("Hurd", elf::ELFOSABI_HURD)];

impl PatchelfRequest {
    /// Whether files are read only.
    pub(super) fn only_prints(&self) -> bool {
        let asked = PatchelfRequest {
            print: self.print,
            files: self.files.clone(),
            debug: self.debug,
            ..PatchelfRequest::default()
        };
        *self == asked
    }

    /// Prints the requested values and collects the edits. Errors appear in patchelf's order:
    /// values requested before them are printed already.
    pub(super) fn plan(
        &self,
        reader: &FileReader,
        info: &ElfInfo,
        name: &str,
        streams: &mut Streams<'_>,
    ) -> anyhow::Result<Vec<Edit>> {
        match info.kind {
            Kind::Object | Kind::Core | Kind::Other => {
                bail!("wrong ELF type: {name} is a {}", info.kind.as_str())
            }
            Kind::SeparateDebug => {
                writeln!(
                    streams.err,
                    "patchelf: warning: {name}: is a separate debug file: left alone"
                )?;
                return Ok(Vec::new());
            }
            _ => {}
        }
        let mut edits = Vec::new();
        self.header(info, name, streams, &mut edits)?;
        self.runpath(info, name, streams, &mut edits)?;
        self.needed(info, name, streams, &mut edits)?;
        self.symbols_and_flags(info, name, &mut edits)?;
        if self.build_resolution_cache {
            match cache::edit(reader, info, &edits)? {
                BuiltCache::Build(description) => {
                    edits.push(Edit::SetResolutionCache(description));
                }
                BuiltCache::Nothing(why) => writeln!(
                    streams.err,
                    "patchelf: warning: {name}: --build-resolution-cache: {why}; no cache written"
                )?,
            }
        }
        Ok(edits)
    }

    fn header(
        &self,
        info: &ElfInfo,
        name: &str,
        streams: &mut Streams<'_>,
        edits: &mut Vec<Edit>,
    ) -> anyhow::Result<()> {
        let interpreter = info.interpreter.as_ref();
        let no_interpreter = || {
            anyhow!(
                "cannot find section '.interp'. The input file is most likely statically linked \
                 ({name} is a {} without PT_INTERP)",
                info.kind.as_str()
            )
        };
        if self.print.interpreter {
            line(streams.out, interpreter.ok_or_else(no_interpreter)?)?;
        }
        if self.print.os_abi {
            let abi = info.header.os_abi;
            match OS_ABIS.iter().find(|known| known.1 == abi) {
                Some((name, _)) => writeln!(streams.out, "{name}")?,
                None => writeln!(streams.out, "0x{abi:02X}")?,
            }
        }
        if let Some(wanted) = &self.os_abi {
            edits.push(Edit::SetOsAbi(os_abi(wanted)?));
        }
        // An executable that is no ET_DYN has no SONAME, and patchelf gives it none.
        let shared = info.header.e_type == elf::ET_DYN;
        let soname = info.dynamic.as_ref().and_then(|d| d.soname.as_ref());
        if self.print.soname
            && shared
            && let Some(soname) = soname.filter(|soname| !soname.is_empty())
        {
            line(streams.out, soname)?;
        }
        if let Some(wanted) = &self.soname
            && shared
        {
            dynamic(info, name)?;
            edits.push(Edit::SetSoname(wanted.clone()));
        }
        if let Some(wanted) = self.interpreter.as_ref().filter(|path| !path.is_empty()) {
            interpreter.ok_or_else(no_interpreter)?;
            edits.push(Edit::SetInterpreter(wanted.clone()));
        }
        Ok(())
    }

    fn runpath(
        &self,
        info: &ElfInfo,
        name: &str,
        streams: &mut Streams<'_>,
        edits: &mut Vec<Edit>,
    ) -> anyhow::Result<()> {
        let now = info.runpath_or_rpath();
        if self.print.rpath {
            dynamic(info, name)?;
            line(streams.out, now.unwrap_or_default())?;
        }
        self.stack(info, streams, edits)?;
        let wanted = if self.shrink_rpath {
            dynamic(info, name)?;
            let Some(now) = now else {
                return Ok(());
            };
            shrink(info, now, &self.allowed_rpath_prefixes, &mut |text| {
                self.log(streams, text)
            })?
        } else if self.remove_rpath {
            dynamic(info, name)?;
            edits.push(Edit::RemoveRunpath);
            return Ok(());
        } else if let Some(value) = &self.set_rpath {
            value.clone()
        } else if let Some(value) = &self.add_rpath {
            match now {
                Some(now) if !now.is_empty() => [now, b":", value].concat(),
                _ => value.clone(),
            }
        } else {
            return Ok(());
        };
        dynamic(info, name)?;
        if now.is_none() && wanted.is_empty() {
            return Ok(());
        }
        if !wanted.is_empty() && wanted.split(|&b| b == b':').any(<[u8]>::is_empty) {
            writeln!(
                streams.err,
                "patchelf: warning: {name}: the RUNPATH '{}' has an empty element, which means the \
                 current directory",
                crate::escape::Shown::from(wanted.as_slice())
            )?;
        }
        self.log(
            streams,
            format!(
                "new rpath is '{}'",
                crate::escape::Shown::from(wanted.as_slice())
            ),
        )?;
        edits.push(if self.force_rpath {
            Edit::SetRpath(wanted)
        } else {
            Edit::SetRunpath(wanted)
        });
        Ok(())
    }

    fn stack(
        &self,
        info: &ElfInfo,
        streams: &mut Streams<'_>,
        edits: &mut Vec<Edit>,
    ) -> anyhow::Result<()> {
        let mut headers = info.segments.iter();
        let stack = headers.find(|s| s.p_type == elf::PT_GNU_STACK);
        if self.print.execstack {
            let shown = match stack.map(|s| s.flags & elf::PF_X != 0) {
                Some(true) => 'X',
                Some(false) => '-',
                // Without the header, the machine decides.
                None => '?',
            };
            writeln!(streams.out, "execstack: {shown}")?;
        } else if self.clear_execstack {
            edits.push(Edit::SetExecutableStack(false));
        } else if self.set_execstack {
            edits.push(Edit::SetExecutableStack(true));
        }
        Ok(())
    }

    fn needed(
        &self,
        info: &ElfInfo,
        name: &str,
        streams: &mut Streams<'_>,
        edits: &mut Vec<Edit>,
    ) -> anyhow::Result<()> {
        if self.print.needed {
            dynamic(info, name)?;
            for library in info.needed() {
                line(streams.out, library)?;
            }
        }
        if self.remove_needed.is_empty()
            && self.replace_needed.is_empty()
            && self.add_needed.is_empty()
        {
            return Ok(());
        }
        dynamic(info, name)?;
        let mut names = info.needed().to_vec();
        for library in &self.remove_needed {
            names.retain(|name| name != library);
            edits.push(Edit::RemoveNeeded(library.clone()));
        }
        edits.extend(one_by_one(&self.replace_needed, &names));
        for name in &mut names {
            if let Some(to) = self.replace_needed.get(name) {
                name.clone_from(to);
            }
        }
        // Added libraries are searched and loaded before all others, in alphabetical order.
        if !names
            .iter()
            .take(self.add_needed.len())
            .eq(&self.add_needed)
        {
            let there = self.add_needed.iter().filter(|name| names.contains(name));
            edits.extend(there.cloned().map(Edit::RemoveNeeded));
            edits.extend(self.add_needed.iter().rev().cloned().map(Edit::AddNeeded));
        }
        Ok(())
    }

    fn symbols_and_flags(
        &self,
        info: &ElfInfo,
        name: &str,
        edits: &mut Vec<Edit>,
    ) -> anyhow::Result<()> {
        if !self.clear_symbol_versions.is_empty() {
            let dynamic = dynamic(info, name)?;
            if dynamic.value(elf::DT_VERSYM).is_none() {
                bail!("cannot find section '.gnu.version': {name} has no DT_VERSYM");
            }
            let symbols = self.clear_symbol_versions.iter().cloned();
            edits.extend(symbols.map(Edit::ClearSymbolVersion));
        }
        if self.no_default_lib {
            dynamic(info, name)?;
            edits.push(Edit::NoDefaultLib);
        }
        if self.add_debug_tag {
            dynamic(info, name)?;
            edits.push(Edit::AddDebugTag);
        }
        if !self.rename_symbols.is_empty() {
            dynamic(info, name)?;
            let pairs = self.rename_symbols.iter();
            edits.push(Edit::RenameSymbols(
                pairs.map(|(from, to)| (from.clone(), to.clone())).collect(),
            ));
        }
        Ok(())
    }

    /// For `--debug`.
    pub(super) fn log(
        &self,
        streams: &mut Streams<'_>,
        text: impl std::fmt::Display,
    ) -> anyhow::Result<()> {
        if self.debug {
            writeln!(streams.err, "{text}")?;
        }
        Ok(())
    }
}

fn dynamic<'a>(info: &'a ElfInfo, name: &str) -> anyhow::Result<&'a elf_edit::Dynamic> {
    info.dynamic.as_ref().ok_or_else(|| {
        anyhow!(
            "cannot find section '.dynamic'. The input file is most likely statically linked \
             ({name} is a {} without PT_DYNAMIC)",
            info.kind.as_str()
        )
    })
}

/// Bytes of the file as they are: scripts compare them and pass them on.
fn line(out: &mut dyn Write, bytes: &[u8]) -> anyhow::Result<()> {
    out.write_all(bytes)?;
    Ok(out.write_all(b"\n")?)
}

fn os_abi(name: &[u8]) -> anyhow::Result<u8> {
    let name = name.trim_ascii();
    OS_ABIS
        .iter()
        .chain(&OS_ABI_ALIASES)
        .find(|known| known.0.as_bytes().eq_ignore_ascii_case(name))
        .map(|known| known.1)
        .ok_or_else(|| {
            anyhow!(
                "unrecognized OS ABI '{}': name one of {}",
                crate::escape::Shown::from(name),
                OS_ABIS.map(|known| known.0).join(", ")
            )
        })
}

/// All replacements happen at once: with a -> b and b -> c, an old a becomes b, not c. As edits are
/// applied one after the other, b -> c goes first; in a circle, one name gets a temporary value.
fn one_by_one(pairs: &BTreeMap<Vec<u8>, Vec<u8>>, names: &[Vec<u8>]) -> Vec<Edit> {
    let mut pending: Vec<(Vec<u8>, Vec<u8>)> = pairs
        .iter()
        .filter(|(from, to)| from != to && names.contains(from))
        .map(|(from, to)| (from.clone(), to.clone()))
        .collect();
    let mut edits = Vec::new();
    while !pending.is_empty() {
        let free = pending
            .iter()
            .position(|(_, to)| pending.iter().all(|(from, _)| from != to));
        let (from, to) = match free {
            Some(at) => pending.remove(at),
            None => {
                let (from, to) = pending.remove(0);
                let mut aside = [&from[..], b"~"].concat();
                while names.contains(&aside) || pending.iter().any(|p| p.0 == aside || p.1 == aside)
                {
                    aside.push(b'~');
                }
                pending.push((aside.clone(), to));
                (from, aside)
            }
        };
        edits.push(Edit::ReplaceNeeded { from, to });
    }
    edits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replacements_happen_at_once() {
        let names: Vec<Vec<u8>> = [b"a", b"b", b"c", b"d"].map(|n| n.to_vec()).into();
        for (pairs, after) in [
            (vec![("a", "b"), ("b", "c")], "bccd"),
            (vec![("b", "c"), ("c", "d")], "acdd"),
            (vec![("a", "b"), ("b", "a")], "bacd"),
            (vec![("a", "b"), ("b", "c"), ("c", "a"), ("d", "a")], "bcaa"),
            (vec![("x", "a"), ("a", "a")], "abcd"),
        ] {
            let map = pairs
                .iter()
                .map(|(a, b)| (a.as_bytes().to_vec(), b.as_bytes().to_vec()))
                .collect();
            let mut now = names.clone();
            for edit in one_by_one(&map, &names) {
                if let Edit::ReplaceNeeded { from, to } = edit {
                    for name in now.iter_mut().filter(|n| **n == from) {
                        name.clone_from(&to);
                    }
                }
            }
            assert_eq!(now.concat(), after.as_bytes(), "{pairs:?}");
        }
    }

    #[test]
    fn os_abis_go_by_any_case() {
        assert_eq!(os_abi(b" gnu HURD\n").unwrap(), elf::ELFOSABI_HURD);
        assert_eq!(os_abi(b"hurd").unwrap(), elf::ELFOSABI_HURD);
        assert!(os_abi(b"hpux").is_err() && os_abi(b"").is_err());
    }
}

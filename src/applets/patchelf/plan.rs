//! The effect of a request on one file: lines to print and edits, in patchelf's order.

use super::cache;
use super::flags::PatchelfRequest;
use super::os_abi;
use super::shrink::shrink;
use anyhow::{anyhow, bail};
use cache::BuiltCache;
use elf_edit::{Edit, ElfInfo, FileReader, Kind};
use object::elf;
use std::io::Write;

pub(super) struct Streams<'a> {
    pub(super) out: &'a mut dyn Write,
    pub(super) err: &'a mut dyn Write,
}

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
            match os_abi::name(abi) {
                Some(name) => writeln!(streams.out, "{name}")?,
                None => writeln!(streams.out, "0x{abi:02X}")?,
            }
        }
        if let Some(wanted) = &self.os_abi {
            edits.push(Edit::SetOsAbi(os_abi::by_name(wanted)?));
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

pub(super) fn dynamic<'a>(info: &'a ElfInfo, name: &str) -> anyhow::Result<&'a elf_edit::Dynamic> {
    info.dynamic.as_ref().ok_or_else(|| {
        anyhow!(
            "cannot find section '.dynamic'. The input file is most likely statically linked \
             ({name} is a {} without PT_DYNAMIC)",
            info.kind.as_str()
        )
    })
}

/// Bytes of the file as they are: scripts compare them and pass them on.
pub(super) fn line(out: &mut dyn Write, bytes: &[u8]) -> anyhow::Result<()> {
    out.write_all(bytes)?;
    Ok(out.write_all(b"\n")?)
}

//! Device code, for people and as JSON.

use crate::cuda::device_code::{DeviceCode, Group, Image, Place, groups};
use crate::cuda::fatbin::{Compression, ImageKind};
use crate::escape::{Shown, counted, shown};
use serde_json::{Value, json};
use std::io::{self, Write};

fn text(bytes: &Option<Vec<u8>>) -> Option<String> {
    bytes.as_ref().map(|b| Shown::from(&b[..]).to_string())
}

fn version(version: (u16, u16)) -> String {
    format!("{}.{}", version.0, version.1)
}

/// One object for each place, kind and architecture: `arch`, `kind`, `count`, `section`,
/// `member`, `size`, `compressed`, `versions`.
pub(crate) fn groups_json(code: &DeviceCode) -> Value {
    let object = |group: Group| {
        let (low, high) = group.versions;
        json!({
            "arch": group.arch,
            "kind": group.kind.word(),
            "count": group.count,
            "section": text(&group.place.section),
            "member": text(&group.place.member),
            "size": group.size,
            "compressed": group.compressed,
            "versions": [version(low), version(high)],
        })
    };
    groups(code).into_iter().map(object).collect()
}

/// One object for each image, in file order, with its `index`.
pub(crate) fn entries_json(code: &DeviceCode) -> Value {
    let object = |(index, image): (usize, &Image)| {
        let entry = &image.entry;
        let place = &code.places[image.place];
        json!({
            "index": index,
            "arch": entry.arch_name(),
            "kind": entry.kind.word(),
            "version": version(entry.version),
            "section": text(&place.section),
            "member": text(&place.member),
            "file": place.file.as_ref().map(|f| shown(f).to_string()),
            "offset": entry.offset,
            "size": entry.size,
            "compression": entry.compression.word(),
            "uncompressed_size": entry.image_size(),
            "flags": entry.flags,
            "debug": entry.has_debug(),
            "name": text(&entry.name),
            "part_of": entry.part.map(|part| part.of),
        })
    };
    code.images.iter().enumerate().map(object).collect()
}

/// Violations of the format, one object each.
pub(crate) fn problems_json(code: &DeviceCode) -> Value {
    let object = |(place, problem): &(usize, crate::cuda::fatbin::FatbinProblem)| {
        let place = &code.places[*place];
        json!({
            "section": text(&place.section),
            "member": text(&place.member),
            "offset": problem.offset,
            "what": problem.what,
        })
    };
    code.problems.iter().map(object).collect()
}

/// A line for each place, then one for each architecture and kind in it.
pub(crate) fn write_groups(
    out: &mut impl Write,
    indent: &str,
    code: &DeviceCode,
) -> io::Result<()> {
    let mut last: Option<Place> = None;
    for group in groups(code) {
        if last.as_ref() != Some(&group.place) {
            write_place(out, indent, &group.place)?;
            last = Some(group.place.clone());
        }
        let (low, high) = group.versions;
        write!(
            out,
            "{indent}  {} {}",
            group.arch.as_deref().unwrap_or("-"),
            group.kind.word()
        )?;
        if group.kind == ImageKind::Ptx {
            write!(out, " {}", version(low))?;
            if low != high {
                write!(out, " to {}", version(high))?;
            }
        }
        write!(out, ", {}", counted(group.count, "image", "images"))?;
        if group.size > 0 {
            write!(out, ", {} bytes", group.size)?;
        }
        match group.compressed {
            0 => writeln!(out, ", uncompressed")?,
            n if n == group.count => writeln!(out, ", compressed")?,
            n => writeln!(out, ", {n} compressed")?,
        }
    }
    Ok(())
}

fn write_place(out: &mut impl Write, indent: &str, place: &Place) -> io::Result<()> {
    write!(out, "{indent}device code")?;
    if let Some(section) = &place.section {
        write!(out, " in {}", Shown::from(&section[..]))?;
    }
    if let Some(member) = &place.member {
        write!(out, " of member {}", Shown::from(&member[..]))?;
    }
    writeln!(out, ":")
}

/// A line for each image, in file order, with its index in front.
pub(crate) fn write_entries(
    out: &mut impl Write,
    indent: &str,
    code: &DeviceCode,
) -> io::Result<()> {
    let mut last = None;
    for (index, image) in code.images.iter().enumerate() {
        if last != Some(image.place) {
            write_place(out, indent, &code.places[image.place])?;
            last = Some(image.place);
        }
        write_entry(out, indent, index, image)?;
    }
    Ok(())
}

fn write_entry(out: &mut impl Write, indent: &str, index: usize, image: &Image) -> io::Result<()> {
    let entry = &image.entry;
    let arch = entry.arch_name();
    write!(
        out,
        "{indent}  {index:4}  {:<12} {:<6}",
        arch.as_deref().unwrap_or("-"),
        entry.kind.word()
    )?;
    if entry.version != (0, 0) {
        write!(out, " {:<5}", version(entry.version))?;
    }
    match (entry.part, entry.compression) {
        (Some(_), _) => write!(out, "  {} bytes of the concatenated one", entry.size)?,
        (None, Compression::None) => write!(out, "  {} bytes, uncompressed", entry.size)?,
        (None, compression) => write!(
            out,
            "  {} bytes, {} of {}",
            entry.size,
            compression.word(),
            entry.uncompressed_size
        )?,
    }
    if entry.has_debug() {
        write!(out, ", for a debugger")?;
    }
    if let Some(name) = &entry.name {
        write!(out, ", {}", Shown::from(&name[..]))?;
    }
    writeln!(out, ", at {:#x}", entry.offset)
}

/// A line for each thing that breaks the format.
pub(crate) fn write_problems(
    out: &mut impl Write,
    indent: &str,
    code: &DeviceCode,
) -> io::Result<()> {
    for (place, problem) in &code.problems {
        let place = &code.places[*place];
        write!(out, "{indent}problem at {:#x}", problem.offset)?;
        if let Some(section) = &place.section {
            write!(out, " in {}", Shown::from(&section[..]))?;
        }
        if let Some(member) = &place.member {
            write!(out, " of member {}", Shown::from(&member[..]))?;
        }
        writeln!(out, ": {}", problem.what)?;
    }
    if code.truncated {
        writeln!(out, "{indent}there is more than is shown")?;
    }
    Ok(())
}

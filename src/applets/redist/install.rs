//! `redist install`: the files of an unpacked archive, each placed once in the output that it
//! belongs to.

mod links;
mod text;

use super::Outcome;
use crate::escape::shown;
use crate::redist::glibc;
use crate::redist::place::{Outputs, Place, TopLink, out_of_deb};
use crate::terminal::{Label, message};
use anyhow::{Context, bail};
use elf_edit::{ElfInfo, FileReader};
use links::Destination;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// Place the files of an unpacked archive in a package's outputs
///
/// Files are moved, each once: programs, headers, shared and static libraries, stubs, CMake and
/// pkg-config files go to the outputs bin, include, lib, static, stubs and dev where the package has
/// them. An output that nothing goes to is an empty directory. `join` links them into `out`.
#[derive(Debug, clap::Args)]
#[command(after_help = super::super::examples::REDIST_INSTALL)]
pub(super) struct Args {
    /// The unpacked archive
    source: PathBuf,
    /// An output and its directory; `out` is one of them
    #[arg(long = "output", required = true, value_name = "NAME=DIR", value_parser = output)]
    outputs: Vec<(String, PathBuf)>,
    /// CUDA's major version: of the folders lib/12, lib/13 … the one for it is taken
    #[arg(long, value_name = "MAJOR")]
    cuda: String,
    /// The archive is a Debian package: its files are below usr, and links to /etc/alternatives are
    /// left out
    #[arg(long)]
    deb: bool,
    /// Let scripts, CMake and pkg-config files name /usr and /opt
    #[arg(long)]
    allow_fhs_references: bool,
}

/// `NAME=DIR`.
pub(super) fn output(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((name, dir)) if !name.is_empty() && !dir.is_empty() => {
            Ok((name.to_owned(), PathBuf::from(dir)))
        }
        _ => Err("expected NAME=DIR".to_owned()),
    }
}

pub(super) fn run(args: Args) -> anyhow::Result<Outcome> {
    let dirs: BTreeMap<String, PathBuf> = args.outputs.into_iter().collect();
    if !dirs.contains_key("out") {
        bail!("no output `out`\n  help: name it: --output out=DIR");
    }
    let files = archive_files(&args.source, args.deb)?;
    let outputs = Outputs::new(
        dirs.keys().cloned(),
        &args.cuda,
        files.iter().map(|(_, path)| path.as_str()),
    );
    if let Some(folders) = outputs.lacks_cuda() {
        bail!(
            "{}: libraries for CUDA {} only, and this is CUDA {}\n  help: take another release of the package",
            shown(&args.source),
            folders.join(", "),
            args.cuda
        );
    }
    for dir in dirs.values() {
        fs::create_dir_all(dir).with_context(|| shown(dir).to_string())?;
    }
    let mut places = BTreeMap::new();
    for (file, path) in &files {
        if let Place::In(output, path) = outputs.place(path) {
            let to = dirs[&output].join(&path);
            places.insert(file.as_str(), Placed { output, path, to });
        }
    }
    if args.deb {
        put_links(&args.source, &mut places)?;
    }
    let mut placed = Vec::new();
    for (file, place) in places {
        put(&args.source.join(file), &place.to)?;
        placed.push(place);
    }
    for file in placed
        .iter()
        .filter(|file| glibc::is_math_header(&file.path))
    {
        text::rewrite_math_header(&file.to)?;
    }
    for file in placed.iter().filter(|file| file.path.ends_with(".pc")) {
        text::rewrite_pkg_config(file, &dirs, &placed)?;
    }
    let stubs: Vec<Placed> = placed
        .iter()
        .filter_map(stub_link)
        .collect::<Result<_, _>>()?;
    placed.extend(stubs);
    if !args.allow_fhs_references {
        let found = text::fhs_references(&placed)?;
        if !found.is_empty() {
            for line in &found {
                message(Label::Error, format_args!("{line}"))?;
            }
            bail!(
                "{} lines of the archive name directories of other systems\n  help: patch them in postPatch, or allow them: allowFHSReferences = true",
                found.len()
            );
        }
    }
    Ok(Outcome::Fine)
}

/// Each file's path in the source, and in an archive of the usual layout.
fn archive_files(source: &Path, deb: bool) -> anyhow::Result<Vec<(String, String)>> {
    let files = list(source)?;
    if files.is_empty() {
        bail!(
            "{}: expected the files of an archive, found none\n  help: name the directory that the archive was unpacked to",
            shown(source)
        );
    }
    if !deb {
        return Ok(through_links(source, files));
    }
    // The installer's links from include and lib64 to targets, whose files go there themselves.
    let link = |file: &str, path: &str| {
        let file = source.join(file);
        !path.contains('/') && file.is_symlink() && file.is_dir()
    };
    let files = files.into_iter().map(|file| (out_of_deb(&file), file));
    let files = files.filter(|(path, file)| !link(file, path));
    Ok(files.map(|(path, file)| (file, path)).collect())
}

/// Each file with its path through the links at the top.
fn through_links(source: &Path, files: Vec<String>) -> Vec<(String, String)> {
    let link = |name: &String| {
        let path = source.join(name);
        let to = fs::read_link(&path).ok().filter(|_| path.is_dir())?;
        TopLink::new(name, to.to_str()?)
    };
    let links: Vec<TopLink> = files.iter().filter_map(link).collect();
    let placed = |file: String| Some((TopLink::place(&links, &file)?, file));
    let placed = files.into_iter().filter_map(placed);
    placed.map(|(path, file)| (file, path)).collect()
}

/// A file in its place.
struct Placed {
    output: String,
    /// Below the output.
    path: String,
    to: PathBuf,
}

impl Placed {
    /// The text of a link from here to another file: relative in one output.
    fn link_to(&self, target: &Placed) -> anyhow::Result<PathBuf> {
        if self.output != target.output {
            return Ok(std::path::absolute(&target.to)?);
        }
        let (mut from, to): (Vec<&str>, Vec<&str>) = (
            self.path.split('/').collect(),
            target.path.split('/').collect(),
        );
        from.pop();
        let common = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
        let up = from[common..].iter().map(|_| "..");
        Ok(up.chain(to[common..].iter().copied()).collect())
    }
}

/// All files and links below a directory, sorted.
fn list(source: &Path) -> anyhow::Result<Vec<String>> {
    let mut files = Vec::new();
    for entry in walkdir::WalkDir::new(source).sort_by_file_name() {
        let entry = entry.with_context(|| shown(source).to_string())?;
        if entry.file_type().is_dir() {
            continue;
        }
        let path = entry.path().strip_prefix(source)?;
        match path.to_str() {
            // stdenv leaves this one in a directory that is built in.
            Some("env-vars" | ".attrs.sh" | ".attrs.json") => {}
            Some(path) => files.push(path.to_owned()),
            None => bail!("{}: expected a name in UTF-8", shown(path)),
        }
    }
    Ok(files)
}

/// Moves a file or a link; between file systems it is copied.
fn put(from: &Path, to: &Path) -> anyhow::Result<()> {
    let context = || format!("{} to {}", shown(from), shown(to));
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent).with_context(context)?;
    }
    if to.symlink_metadata().is_ok() {
        bail!(
            "{}: two files of the archive have this place, {} is one of them",
            shown(to),
            shown(from)
        );
    }
    let meta = from.symlink_metadata().with_context(context)?;
    if meta.is_symlink() {
        symlink(fs::read_link(from).with_context(context)?, to).with_context(context)?;
        return fs::remove_file(from).with_context(context);
    }
    match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
            fs::copy(from, to).with_context(context)?;
            fs::remove_file(from).with_context(context)?;
        }
        result => result.with_context(context)?,
    }
    // Archives have programs that only their owner may run.
    let mode = if meta.permissions().mode() & 0o100 != 0 {
        0o755
    } else {
        0o644
    };
    fs::set_permissions(to, fs::Permissions::from_mode(mode)).with_context(context)
}

/// Makes the links of a Debian package lead to their files' places in the outputs, and leaves out
/// those whose target only an installation has.
fn put_links(source: &Path, places: &mut BTreeMap<&str, Placed>) -> anyhow::Result<()> {
    let is_link = |file: &&str| source.join(file).is_symlink();
    let all: BTreeSet<&str> = places.keys().copied().collect();
    let mut left_out = Vec::new();
    for file in all.iter().copied().filter(is_link) {
        let destination = links::destination(source, &all, file);
        let name = shown(Path::new(file));
        match destination {
            _ if links::is_alternative(file) => left_out.push(file),
            Destination::File(target) => {
                let (Some(place), Some(target)) = (places.get(file), places.get(target.as_str()))
                else {
                    continue;
                };
                // The installer's link from lib to targets: both are one place here.
                if place.to == target.to {
                    left_out.push(file);
                    continue;
                }
                let text = place.link_to(target)?;
                let link = source.join(file);
                let context = || shown(&link).to_string();
                fs::remove_file(&link).with_context(context)?;
                symlink(text, &link).with_context(context)?;
            }
            Destination::Alternative(target) => {
                message(
                    Label::Warning,
                    format_args!(
                        "{name}: a link to /{}, which the package lacks: left out",
                        shown(Path::new(&target))
                    ),
                )?;
                left_out.push(file);
            }
            Destination::Other => {}
        }
    }
    places.retain(|file, _| !left_out.contains(file));
    Ok(())
}

/// Links a stub under the name that programs request: `libcuda.so.1` beside `libcuda.so`.
fn stub_link(file: &Placed) -> Option<anyhow::Result<Placed>> {
    if !file.path.starts_with("lib/stubs/") || file.to.is_symlink() {
        return None;
    }
    let soname = read_soname(&file.to)?;
    let to = file.to.with_file_name(&soname);
    if to.symlink_metadata().is_ok() {
        return None;
    }
    let name = file.to.file_name()?;
    let linked = symlink(name, &to).with_context(|| shown(&to).to_string());
    Some(linked.map(|()| Placed {
        output: file.output.clone(),
        path: format!("lib/stubs/{soname}"),
        to,
    }))
}

/// The SONAME of a library, where it is a plain file name.
fn read_soname(path: &Path) -> Option<String> {
    let file = FileReader::new(fs::File::open(path).ok()?).ok()?;
    let info = ElfInfo::read(&file).ok()?;
    let soname = String::from_utf8(info.dynamic?.soname?).ok()?;
    (!soname.is_empty() && !soname.contains('/')).then_some(soname)
}

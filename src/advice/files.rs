//! Advice about files that have the name of a missing library, or almost.

use super::entry::is_literal;
use super::{
    Advice, Near, NearFile, NearState, append_below_root, command, directory, replace_needed,
    shown, word,
};

pub(super) fn near_file(advice: &mut Advice, name: &[u8], file: &NearFile, near: &Near) {
    let path = shown(&file.path);
    let needs_it = near.file.as_deref();
    match &file.state {
        NearState::Fits => {
            advice.note(format!(
                "{path} is there, but no search leads to its directory"
            ));
            match near.other_root {
                true => {
                    let entry = Some(directory(&file.path)).filter(|dir| is_literal(dir));
                    let command = entry.zip(needs_it);
                    let command = command.and_then(|(dir, file)| append_below_root(dir, file));
                    let help = command.map(|command| format!("add its directory: {command}"));
                    advice.helps.extend(help);
                }
                false => advice.add_near("add its directory", &file.path, near),
            }
            by_import(advice, &file.path, near);
        }
        NearState::InRunpathOf(other) => {
            let other = shown(other);
            advice.note(format!(
                "{path} is in the RUNPATH of {other}, but a RUNPATH serves only the file that has it"
            ));
            advice.add_near("add it here, too", &file.path, near);
        }
        NearState::InIgnoredOrigin => {
            advice.note(format!(
                "$ORIGIN in the program's RUNPATH leads to {path}, but the loader ignores it in a \
                 set-uid, set-gid or capability program"
            ));
            advice.add_near("add the absolute path", &file.path, near);
        }
        NearState::InConfiguration => {
            advice.note(format!(
                "{path} is in a directory of /etc/ld.so.conf, but not in the cache: it is stale"
            ));
            advice.help("make the cache again, as root: `ldconfig`".to_owned());
        }
        NearState::InIgnoredVariable => {
            advice.note(format!(
                "{path} is in LD_LIBRARY_PATH, which the loader ignores for this program"
            ));
            advice.add_near("add its directory", &file.path, near);
        }
        NearState::Forbidden => {
            advice.note(format!("{path} is there, but this user may not read it"));
            let command = word(&file.path).map(|path| format!("`chmod a+r {path}`"));
            advice
                .helps
                .extend(command.map(|c| format!("let everyone read it: {c}")));
        }
        NearState::OtherPlatform { is, wanted } => {
            advice.note(format!("{path}: it is for {is}, the file is for {wanted}"));
            advice.help(format!("bring the library for {wanted}"));
        }
        NearState::Unfit(why) => {
            advice.note(format!("{path}: {why}"));
            advice.help("bring that file again, from its package or its build".to_owned());
        }
        NearState::InsteadOf(loaded) => {
            advice.note(format!("{path} is hidden by {}", shown(loaded)));
        }
        state => in_its_place(advice, name, &file.path, state, near),
    }
}

/// Something else has its name, or it has another name.
fn in_its_place(advice: &mut Advice, name: &[u8], file: &[u8], state: &NearState, near: &Near) {
    let path = shown(file);
    match state {
        NearState::Dangling(target) => {
            advice.note(format!(
                "{path} is a link to {}, which is not there",
                shown(target)
            ));
            advice.help("bring that file, or let the link lead to one that is there".to_owned());
        }
        NearState::LfsPointer => {
            advice.note(format!("{path} is a Git LFS pointer, not the library"));
            let command = word(directory(file)).map(|dir| format!("`git -C {dir} lfs pull`"));
            advice
                .helps
                .extend(command.map(|c| format!("fetch the file: {c}")));
        }
        NearState::LinkerScript(library) => linker_script(advice, name, file, library, near),
        NearState::OtherVersion(true) => {
            advice.note(format!(
                "{path} is that library, but the link {} is missing",
                shown(name)
            ));
            let command = word(directory(file)).map(|dir| format!("`ldconfig -n {dir}`"));
            advice
                .helps
                .extend(command.map(|c| format!("make the link: {c}")));
        }
        NearState::OtherVersion(false) => {
            advice.note(format!(
                "{path} is another version, which does not take its place"
            ));
        }
        _ => {}
    }
}

fn linker_script(
    advice: &mut Advice,
    name: &[u8],
    file: &[u8],
    library: &Option<Vec<u8>>,
    near: &Near,
) {
    advice.note(format!(
        "{} is a linker script, which only a linker reads",
        shown(file)
    ));
    let command = library.as_deref().zip(near.file.as_deref());
    let command = command.and_then(|(library, file)| replace_needed(name, library, file));
    advice.help(match command {
        Some(command) => format!("need the library that it names: {command}"),
        None => "link with the library that it names".to_owned(),
    });
}

/// A process that has imported a Python package has loaded the libraries of that package.
fn by_import(advice: &mut Advice, library: &[u8], near: &Near) {
    let own = near.python_package.as_deref();
    if let (Some(own), Some(other)) = (own, python_package(library))
        && own != other
        // Its parts have no module that loads them.
        && other != b"nvidia"
    {
        advice.note(format!(
            "it belongs to the Python package {}: it is found, too, if that is imported first",
            shown(other)
        ));
    }
}

/// The first directory below `site-packages`.
pub(crate) fn python_package(path: &[u8]) -> Option<&[u8]> {
    let mut parts = path.split(|&byte| byte == b'/');
    parts.find(|part| [&b"site-packages"[..], b"dist-packages"].contains(part))?;
    parts.next()
}

/// An executable stack. What glibc does was tried with Debian's 2.41: a program that is linked with
/// the library still starts, unless the tunable is 0.
pub(crate) fn executable_stack(file: &[u8]) -> Advice {
    let mut advice = Advice::default();
    advice.note(
        "it asks for an executable stack: from glibc 2.41 on, dlopen refuses such a library in a \
         program without one (\"cannot enable executable stack as shared object requires\"), \
         unless GLIBC_TUNABLES has glibc.rtld.execstack=2"
            .to_owned(),
    );
    if let Some(command) = command("patchelf --clear-execstack", file) {
        advice.help(format!("unless its code runs on the stack: {command}"));
    }
    advice
}

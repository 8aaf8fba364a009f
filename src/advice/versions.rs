//! Advice about symbols and symbol versions that the loaded libraries lack.

use super::entry::is_literal;
use super::{Advice, Near, NearState, command, directory, shown, word};

pub(super) fn symbol(advice: &mut Advice, name: &str, near: &Near) {
    let name = shown(name.as_bytes());
    for file in &near.files {
        let path = shown(&file.path);
        match &file.state {
            NearState::InsteadOf(loaded) => {
                advice.note(format!(
                    "{path} has {name}, but {} is loaded in its place",
                    shown(loaded)
                ));
                if let Some(dir) = word(directory(&file.path)) {
                    let without = match near.by_variable {
                        true => "take the other out of LD_LIBRARY_PATH, or ",
                        false => "",
                    };
                    advice.help(format!(
                        "let that one be found first: {without}try `LD_LIBRARY_PATH={dir}`"
                    ));
                }
            }
            _ => {
                advice.note(format!("{path} has {name}, but is not loaded"));
                let soname = file.path.rsplit(|&byte| byte == b'/').next().and_then(word);
                let add = soname.map(|soname| format!("patchelf --add-needed {soname}"));
                let program = near.file.as_deref();
                if let Some(command) = add.zip(program).and_then(|(add, file)| command(&add, file))
                {
                    advice.help(format!("if it belongs there: {command}"));
                }
            }
        }
    }
}

/// `path` is the library that was found.
pub(super) fn too_old(advice: &mut Advice, path: &[u8], versions: &[Vec<u8>], near: &Near) {
    let list: Vec<String> = versions.iter().map(|v| shown(v).to_string()).collect();
    advice.note(format!(
        "built for a library with {}; {} lacks it",
        list.join(", "),
        shown(path)
    ));
    for file in &near.files {
        let newer = shown(&file.path);
        match &file.state {
            NearState::InsteadOf(_) if near.by_variable => {
                advice.note(format!("{newer} has it, but LD_LIBRARY_PATH hides it"));
                let dir = shown(directory(path));
                advice.help(format!("take {dir} out of LD_LIBRARY_PATH"));
            }
            NearState::InsteadOf(_) => {
                advice.note(format!(
                    "{newer} has it, and is found if the other is not there"
                ));
                advice.help(format!("take {} out of the way", shown(path)));
            }
            _ => {
                advice.note(format!("{newer} has it"));
                add_newer(advice, &file.path, near);
            }
        }
    }
    let systems = having(versions);
    if advice.helps.is_empty() {
        let glibc = versions.iter().any(|v| v.starts_with(b"GLIBC_"));
        if !systems.is_empty() {
            advice.note(format!("{} have it", systems.join(", ")));
        }
        advice.help(match glibc {
            true => {
                "run it on a newer system, build it on an older one, or set the interpreter of a \
                     newer glibc with `fixup --interpreter`"
                    .to_owned()
            }
            false => "bring the newer library, or build with the older one".to_owned(),
        });
    }
}

/// Adds the directory of a library. The libc's directory may have an older one, which counts as
/// found without --keep-libc.
fn add_newer(advice: &mut Advice, library: &[u8], near: &Near) {
    let dir = directory(library);
    if !is_literal(dir) || (!library.starts_with(b"/") && !is_literal(&near.here)) {
        advice.add_near("add its directory", library, near);
        return;
    }
    let add = word(dir).map(|dir| format!("fixup --keep-libc --lib {dir}"));
    let program = add.zip(near.file.as_deref());
    if let Some(command) = program.and_then(|(add, file)| command(&add, file)) {
        advice.help(format!("add its directory: {command}"));
    }
}

/// Its name, the minor version of its glibc, the last part of its libstdc++'s version.
type Release = (&'static str, u32, u32);

/// Releases of systems with their glibc (2.x) and libstdc++ (GLIBCXX_3.4.x): the packages libc6 and
/// libstdc++6 of Debian and Ubuntu, glibc and libstdc++ of Red Hat.
const SYSTEMS: [(&str, [Release; 3]); 3] = [
    ("Debian", [("11", 31, 28), ("12", 36, 30), ("13", 41, 33)]),
    (
        "Ubuntu",
        [("20.04", 31, 28), ("22.04", 35, 30), ("24.04", 39, 33)],
    ),
    ("RHEL", [("8", 28, 25), ("9", 34, 29), ("10", 39, 33)]),
];

/// The first release of each system that has all of these versions, if they are of glibc or
/// libstdc++ alone.
fn having(versions: &[Vec<u8>]) -> Vec<String> {
    let number = |version: &[u8], prefix: &str| -> Option<u32> {
        let rest = version.strip_prefix(prefix.as_bytes())?;
        let minor = rest.split(|&byte| byte == b'.').next()?;
        str::from_utf8(minor).ok()?.parse().ok()
    };
    let mut wanted = (0, 0);
    for version in versions {
        if let Some(minor) = number(version, "GLIBC_2.") {
            wanted.0 = minor.max(wanted.0);
        } else if let Some(minor) = number(version, "GLIBCXX_3.4.") {
            wanted.1 = minor.max(wanted.1);
        } else {
            return Vec::new();
        }
    }
    let first = SYSTEMS.iter().filter_map(|(system, releases)| {
        let has = |release: &&Release| release.1 >= wanted.0 && release.2 >= wanted.1;
        let (release, ..) = releases.iter().find(has)?;
        Some(format!("{system} {release}"))
    });
    first.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systems_that_have_a_version() {
        let of = |versions: &[&str]| {
            let versions: Vec<Vec<u8>> = versions.iter().map(|v| v.as_bytes().to_vec()).collect();
            having(&versions).join(", ")
        };
        assert_eq!(of(&["GLIBC_2.38"]), "Debian 13, Ubuntu 24.04, RHEL 10");
        assert_eq!(
            of(&["GLIBC_2.2.5", "GLIBC_2.34"]),
            "Debian 12, Ubuntu 22.04, RHEL 9"
        );
        assert_eq!(of(&["GLIBCXX_3.4.30"]), "Debian 12, Ubuntu 22.04, RHEL 10");
        assert_eq!(of(&["GLIBC_2.40"]), "Debian 13");
        for unknown in [
            "GLIBC_2.99",
            "GLIBC_PRIVATE",
            "GLIBC_",
            "OPENSSL_3.0.0",
            "CXXABI_1.3.13",
        ] {
            assert_eq!(of(&[unknown]), "");
        }
    }
}

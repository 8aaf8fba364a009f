//! NixOS's stand-ins for the loader of other systems: a stub that prints a message and ends, and
//! nix-ld, which starts a loader of the store.
//!
//! nix-ld (src/main.rs): the loader is $NIX_LD, else the one of the system's profile, and
//! $NIX_LD_LIBRARY_PATH, else the profile's directory, comes behind LD_LIBRARY_PATH. Variables with
//! the name of the system (`NIX_LD_x86_64_linux`) are preferred.

use memchr::memmem;

const LOADER: &[u8] = b"/run/current-system/sw/share/nix-ld/lib/ld.so";
const LIBRARY_PATH: &[u8] = b"/run/current-system/sw/share/nix-ld/lib";
/// A text of nixpkgs' stub-ld.
const STUB: &[u8] = b"NixOS cannot run dynamically linked executables";
/// The name of a variable that nix-ld reads.
const VARIABLE: &[u8] = b"NIX_LD_LIBRARY_PATH";

/// A program in the place of a loader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StandIn {
    Stub,
    NixLd,
}

impl StandIn {
    /// By the strings of the file.
    pub(super) fn of(bytes: &[u8]) -> Option<StandIn> {
        let has = |text: &[u8]| memmem::find(bytes, text).is_some();
        if has(STUB) {
            Some(StandIn::Stub)
        } else {
            has(VARIABLE).then_some(StandIn::NixLd)
        }
    }
}

/// The variables that nix-ld reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NixLdVariables {
    /// NIX_LD
    pub loader: Option<Vec<u8>>,
    /// NIX_LD_LIBRARY_PATH
    pub library_path: Option<Vec<u8>>,
}

impl NixLdVariables {
    /// By the values of variables. nix-ld prefers those with the name of the system.
    pub(crate) fn read(value: impl Fn(&str) -> Option<Vec<u8>>) -> NixLdVariables {
        let of_system = |name: &str| value(&format!("{name}_{}_linux", std::env::consts::ARCH));
        let read = |name: &str| of_system(name).or_else(|| value(name));
        NixLdVariables {
            loader: read("NIX_LD"),
            library_path: read("NIX_LD_LIBRARY_PATH"),
        }
    }
}

/// How nix-ld starts a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NixLd {
    /// The path of nix-ld, which the program names.
    pub path: Vec<u8>,
    /// The loader that it starts.
    pub loader: Vec<u8>,
    /// The LD_LIBRARY_PATH of that.
    pub library_path: Vec<u8>,
}

impl NixLd {
    pub(super) fn new(
        path: &[u8],
        variables: &NixLdVariables,
        library_path: Option<&[u8]>,
    ) -> NixLd {
        let given = |value: &Option<Vec<u8>>| value.clone().filter(|value| !value.is_empty());
        let own = variables.library_path.as_deref().unwrap_or(LIBRARY_PATH);
        NixLd {
            path: path.to_vec(),
            loader: given(&variables.loader).unwrap_or_else(|| LOADER.to_vec()),
            library_path: match library_path {
                Some(before) if !before.is_empty() && !before.ends_with(b":") => {
                    [before, b":", own].concat()
                }
                before => [before.unwrap_or_default(), own].concat(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_of_nix_ld() {
        let none = NixLdVariables::default();
        let usual = NixLd::new(b"/lib64/ld.so", &none, None);
        assert_eq!(usual.loader, LOADER);
        assert_eq!(usual.library_path, LIBRARY_PATH);
        let given = NixLdVariables {
            loader: Some(b"/x/ld.so".to_vec()),
            library_path: Some(b"/y".to_vec()),
        };
        let path = |before: &[u8]| NixLd::new(b"", &given, Some(before)).library_path;
        assert_eq!(NixLd::new(b"", &given, None).loader, b"/x/ld.so");
        assert_eq!(
            (path(b"/z"), path(b"/z:")),
            (b"/z:/y".to_vec(), b"/z:/y".to_vec())
        );
        assert_eq!(path(b""), b"/y");
    }
}

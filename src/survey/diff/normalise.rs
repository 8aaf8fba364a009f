//! Removes from paths and messages what differs between two builds of the same package: hashes of
//! store paths, and the path of the tree itself.

use crate::cuda::Soname;
use crate::escape::{Shown, sentence};
use crate::scan::Root;
use regex::bytes::Regex;
use std::borrow::Cow;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The path of a tree, wherever a file of it names that.
const TREE: &[u8] = b"{tree}";

/// The characters of Nix' base 32, as many as a store path's hash has.
const STORE_HASH: &str = r"/[0-9abcdfghijklmnpqrsvwxyz]{32}-";
/// Versions of Python in paths of extension modules: `python3.12`, `cpython-312`.
const PYTHON: &str = r"(python|cpython-|cp)[0-9]+(\.[0-9]+)?";

/// Normalises the texts of one side of a comparison.
pub(super) struct Normaliser {
    /// The paths of its trees, longest first.
    roots: Vec<Vec<u8>>,
    hash: Option<Regex>,
    python: Option<Regex>,
}

impl Normaliser {
    pub(super) fn new(roots: &[Root]) -> Normaliser {
        let both = roots.iter().flat_map(|root| [&root.canonical, &root.given]);
        let absolute = both.filter(|path| path.is_absolute() && path.parent().is_some());
        let mut roots: Vec<Vec<u8>> = absolute.map(|path| bytes(path).to_vec()).collect();
        roots.sort_by_key(|root| std::cmp::Reverse(root.len()));
        roots.dedup();
        Normaliser {
            roots,
            // Both patterns are constants that a test compiles.
            hash: Regex::new(STORE_HASH).ok(),
            python: Regex::new(PYTHON).ok(),
        }
    }

    /// Text of a file, safe to show.
    pub(super) fn text(&self, text: &[u8]) -> String {
        Shown::from(&*self.normalised(text)).to_string()
    }

    /// A message, in which names of files are safe to show already.
    pub(super) fn message(&self, text: &str) -> String {
        let normalised = self.normalised(text.as_bytes());
        sentence(&String::from_utf8_lossy(&normalised)).to_string()
    }

    fn normalised<'a>(&self, text: &'a [u8]) -> Cow<'a, [u8]> {
        let mut text = Cow::Borrowed(text);
        for root in &self.roots {
            if let Cow::Owned(new) = without_root(&text, root) {
                text = Cow::Owned(new);
            }
        }
        match text {
            Cow::Borrowed(text) => self.without_hash(text),
            Cow::Owned(text) => Cow::Owned(self.without_hash(&text).into_owned()),
        }
    }

    fn without_hash<'a>(&self, text: &'a [u8]) -> Cow<'a, [u8]> {
        match &self.hash {
            Some(hash) => hash.replace_all(text, "/…-".as_bytes()),
            None => Cow::Borrowed(text),
        }
    }

    /// The path of a file in its tree, without store hashes.
    pub(super) fn path(&self, inside: &Path) -> Vec<u8> {
        // A tree may be the store itself, so that a path begins with a hash.
        let rooted = [b"/", bytes(inside)].concat();
        self.without_hash(&rooted)[1..].to_vec()
    }

    /// The path without versions: another version of a library has the same.
    pub(super) fn unversioned(&self, inside: &Path) -> Vec<u8> {
        let path = self.path(inside);
        let (directory, name) = match path.iter().rposition(|&byte| byte == b'/') {
            Some(at) => path.split_at(at + 1),
            None => path.split_at(0),
        };
        let name = match Soname::parse(name) {
            Some(soname) => [soname.stem, b".so"].concat(),
            None => name.to_vec(),
        };
        let path = [directory, &name[..]].concat();
        match &self.python {
            Some(python) => python.replace_all(&path, &b"$1"[..]).into_owned(),
            None => path,
        }
    }
}

fn bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}

/// Replaces each path that is the root or begins with it.
fn without_root<'a>(text: &'a [u8], root: &[u8]) -> Cow<'a, [u8]> {
    let mut out = Vec::new();
    let mut from = 0;
    for at in memchr::memmem::find_iter(text, root) {
        let end = at + root.len();
        let inner = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.+".contains(byte);
        let begins = at == 0 || !(inner(&text[at - 1]) || text[at - 1] == b'/');
        if begins && !text.get(end).is_some_and(inner) {
            out.extend_from_slice(&text[from..at]);
            out.extend_from_slice(TREE);
            from = end;
        }
    }
    if from == 0 {
        return Cow::Borrowed(text);
    }
    out.extend_from_slice(&text[from..]);
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normaliser(root: &str) -> Normaliser {
        Normaliser::new(&[Root {
            given: root.into(),
            canonical: root.into(),
        }])
    }

    #[test]
    fn hashes_and_the_tree_itself_go_and_nothing_else() {
        let hash = "0123456789abcdfghijklmnpqrsvwxyz";
        let own = format!("/nix/store/{hash}-app-1.0");
        let text = |text: &str| normaliser(&own).text(text.as_bytes());
        assert_eq!(text(&format!("{own}/lib:$ORIGIN")), "{tree}/lib:$ORIGIN");
        assert_eq!(text(&format!("in '{own}': x")), "in '{tree}': x");
        let other = format!("/nix/store/{hash}-zlib-1.3/lib");
        assert_eq!(text(&other), "/nix/store/…-zlib-1.3/lib");
        let longer = format!("{own}-dev/lib");
        assert_eq!(text(&longer), "/nix/store/…-app-1.0-dev/lib");
        assert_eq!(text("/usr/lib/e-short-hash-x"), "/usr/lib/e-short-hash-x");
    }

    #[test]
    fn versions_of_libraries_and_of_python_go() {
        let key = |path: &str| {
            let key = normaliser("/t").unversioned(Path::new(path));
            String::from_utf8(key).unwrap()
        };
        assert_eq!(key("lib/libx.so.1.2.3"), "lib/libx.so");
        assert_eq!(key("a.libs/libx-0123abcd.so.1"), "a.libs/libx.so");
        assert_eq!(
            key("lib/python3.12/site-packages/_C.cpython-312-x86_64-linux-gnu.so"),
            key("lib/python3.13/site-packages/_C.cpython-313-x86_64-linux-gnu.so"),
        );
        assert_ne!(key("lib/libx.so"), key("lib/liby.so"));
    }
}

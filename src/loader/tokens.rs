//! Search lists with their dynamic string tokens replaced (ld.so(8)), also in
//! secure-execution mode.

use elf_edit::tokens::{Piece, Token, TokenEnd, pieces};
use std::collections::HashSet;

/// The values of the tokens for one object.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tokens<'a> {
    /// Directory of the object, no trailing slash.
    pub(super) origin: &'a [u8],
    /// Value of `$LIB`: `lib64`, `lib/x86_64-linux-gnu`.
    pub(super) lib: &'a [u8],
    /// Value of `$PLATFORM` (AT_PLATFORM), `None` if unknown.
    pub(super) platform: Option<&'a [u8]>,
    /// Where `$ORIGIN` is allowed.
    pub(super) trust: Trust<'a>,
}

/// Where `$ORIGIN` is allowed (`_dl_dst_substitute`).
#[derive(Clone, Copy, Debug)]
pub(super) enum Trust<'a> {
    /// Everywhere: the usual mode.
    Any,
    /// Secure-execution mode, in a library: as the whole first component.
    FirstComponent,
    /// Secure-execution mode, in the program: besides, the result lies in one of these
    /// directories, each with a slash at its end.
    Below(&'a [Vec<u8>]),
}

/// Replaces the tokens of `text`. `None` when one has no value, or is not allowed: the loader
/// then drops the whole element.
pub(super) fn expand(text: &[u8], tokens: &Tokens) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut has_origin = false;
    let mut all = pieces(text, TokenEnd::Identifier).peekable();
    let mut at_start = true;
    while let Some(piece) = all.next() {
        match piece {
            Piece::Text(text) => out.extend_from_slice(text),
            Piece::Token(Token::Lib) => out.extend_from_slice(tokens.lib),
            Piece::Token(Token::Platform) => out.extend_from_slice(tokens.platform?),
            Piece::Token(Token::Origin) => {
                let component_ends = match all.peek() {
                    Some(Piece::Text(text)) => text.starts_with(b"/"),
                    Some(Piece::Token(_)) => false,
                    None => true,
                };
                if !matches!(tokens.trust, Trust::Any) && (!at_start || !component_ends) {
                    return None;
                }
                has_origin = true;
                out.extend_from_slice(tokens.origin);
            }
        }
        at_start = false;
    }
    match tokens.trust {
        Trust::Below(trusted) if has_origin => is_below(&out, trusted).then_some(out),
        _ => Some(out),
    }
}

/// Whether a path, its dots resolved by its text alone, lies in one of the directories
/// (`is_trusted_path_normalize`).
fn is_below(path: &[u8], directories: &[Vec<u8>]) -> bool {
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split(|&b| b == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                parts.pop();
            }
            name => parts.push(name),
        }
    }
    let normal = [b"/", &parts.join(&b'/')[..], b"/"].concat();
    path.starts_with(b"/") && directories.iter().any(|dir| normal.starts_with(dir))
}

/// One directory of a search list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Dir {
    /// Ends in a slash; empty for the current directory.
    pub(super) prefix: Vec<u8>,
    /// Index of the element in the list, from 0.
    pub(super) element: usize,
}

/// The directory for one element, as glibc computes it (`fillin_rpath`): tokens replaced, just one
/// slash at the end. `None` for an element that it drops.
pub(super) fn directory(element: &[u8], tokens: &Tokens) -> Option<Vec<u8>> {
    if element.is_empty() {
        return Some(Vec::new());
    }
    let mut path = expand(element, tokens)?;
    if path.is_empty() {
        return None;
    }
    while path.len() > 1 && path.ends_with(b"/") {
        path.pop();
    }
    if !path.ends_with(b"/") {
        path.push(b'/');
    }
    Some(path)
}

/// The search list for a RUNPATH, an RPATH or LD_LIBRARY_PATH, as glibc computes it: a directory
/// named twice is searched once.
pub(super) fn search_list(
    text: &[u8],
    is_separator: impl Fn(u8) -> bool,
    tokens: &Tokens,
) -> Vec<Dir> {
    // An empty string means no list; an empty element of a list means the current directory.
    if text.is_empty() {
        return Vec::new();
    }
    let mut seen = HashSet::new();
    text.split(|&b| is_separator(b))
        .enumerate()
        .filter_map(|(element, text)| {
            let prefix = directory(text, tokens)?;
            seen.insert(prefix.clone())
                .then_some(Dir { prefix, element })
        })
        .collect()
}

/// The directory part of a path, as `$ORIGIN` has it: `/` for `/libx.so`.
pub(super) fn origin_of(path: &[u8]) -> &[u8] {
    match path.iter().rposition(|&b| b == b'/') {
        Some(0) => b"/",
        Some(end) => &path[..end],
        None => b".",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKENS: Tokens = Tokens {
        origin: b"/opt/x/bin",
        lib: b"lib64",
        platform: None,
        trust: Trust::Any,
    };

    fn expanded(text: &str) -> Option<String> {
        expand(text.as_bytes(), &TOKENS).map(|b| String::from_utf8(b).unwrap())
    }

    #[test]
    fn a_token_without_a_value_drops_the_element() {
        assert_eq!(expanded("$ORIGIN/../$LIB").unwrap(), "/opt/x/bin/../lib64");
        assert_eq!(expanded("${ORIGIN}x").unwrap(), "/opt/x/binx");
        assert_eq!(expanded("/x/$PLATFORM"), None);
    }

    #[test]
    fn secure_mode_trusts_origin_as_the_first_component_alone() {
        let trusted = [b"/opt/x/lib/".to_vec()];
        let with = |text: &str, trust| {
            let tokens = Tokens { trust, ..TOKENS };
            expand(text.as_bytes(), &tokens).map(|b| String::from_utf8(b).unwrap())
        };
        let library = |text| with(text, Trust::FirstComponent);
        assert_eq!(library("$ORIGIN/x").unwrap(), "/opt/x/bin/x");
        assert_eq!(library("${ORIGIN}x"), None);
        assert_eq!(library("/a/$ORIGIN"), None);
        assert_eq!(library("/a/$LIB").unwrap(), "/a/lib64");
        let program = |text| with(text, Trust::Below(&trusted));
        assert_eq!(program("$ORIGIN"), None);
        assert_eq!(program("$ORIGIN/../lib").unwrap(), "/opt/x/bin/../lib");
        assert_eq!(program("$ORIGIN/../lib/../../y"), None);
        assert_eq!(program("/anywhere").unwrap(), "/anywhere");
    }

    #[test]
    fn a_list_drops_repeats_and_keeps_the_empty_element() {
        let list = search_list(b"/a//:$PLATFORM/b:/a::$ORIGIN", |b| b == b':', &TOKENS);
        let shown: Vec<_> = list
            .iter()
            .map(|d| (d.element, String::from_utf8_lossy(&d.prefix).into_owned()))
            .collect();
        assert_eq!(
            shown,
            [(0, "/a/".into()), (3, "".into()), (4, "/opt/x/bin/".into())]
        );
        assert!(search_list(b"", |b| b == b':', &TOKENS).is_empty());
    }
}

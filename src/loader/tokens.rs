//! Dynamic string tokens: `$ORIGIN`, `$LIB`, `$PLATFORM` (ld.so(8)), and search lists made of them.

use std::collections::HashSet;

/// What the tokens stand for, for one object.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tokens<'a> {
    /// Directory of the object, no trailing slash.
    pub(super) origin: &'a [u8],
    /// What the loader was built with: `lib64`, `lib/x86_64-linux-gnu`.
    pub(super) lib: &'a [u8],
    /// AT_PLATFORM, or what glibc makes of the processor. `None` where it can't be told.
    pub(super) platform: Option<&'a [u8]>,
}

/// Replaces the tokens of `text`. `None` when one has no value: the loader then drops the
/// whole element.
pub(super) fn expand(text: &[u8], tokens: &Tokens) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, after)) = rest.split_first() {
        if first != b'$' {
            out.push(first);
            rest = after;
            continue;
        }
        let known = [
            ("ORIGIN", Some(tokens.origin)),
            ("PLATFORM", tokens.platform),
            ("LIB", Some(tokens.lib)),
        ];
        match known
            .iter()
            .find_map(|(name, value)| Some((token(after, name.as_bytes())?, value)))
        {
            Some((len, value)) => {
                out.extend_from_slice((*value)?);
                rest = &after[len..];
            }
            None => {
                out.push(b'$');
                rest = after;
            }
        }
    }
    Some(out)
}

/// Whether `text`, which follows a `$`, is this token, braces or not; its length.
fn token(text: &[u8], name: &[u8]) -> Option<usize> {
    if let Some(inner) = text.strip_prefix(b"{") {
        return inner
            .strip_prefix(name)?
            .starts_with(b"}")
            .then_some(name.len() + 2);
    }
    match text.strip_prefix(name)?.first() {
        Some(b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_') => None,
        _ => Some(name.len()),
    }
}

/// One directory of a search list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Dir {
    /// Ends in a slash; empty for the current directory.
    pub(super) prefix: Vec<u8>,
    /// Which element of the list it comes from, counted from 0.
    pub(super) element: usize,
}

/// The directory that glibc makes of one element (`fillin_rpath`): tokens replaced, just one
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

/// The search list that glibc makes of a RUNPATH, an RPATH or LD_LIBRARY_PATH: a directory
/// named twice is searched once.
pub(super) fn search_list(
    text: &[u8],
    is_separator: impl Fn(u8) -> bool,
    tokens: &Tokens,
) -> Vec<Dir> {
    // An empty string is no list, where an empty element of a list is the current directory.
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
    };

    fn expanded(text: &str) -> Option<String> {
        expand(text.as_bytes(), &TOKENS).map(|b| String::from_utf8(b).unwrap())
    }

    #[test]
    fn tokens_end_where_an_identifier_ends() {
        assert_eq!(expanded("$ORIGIN/../$LIB").unwrap(), "/opt/x/bin/../lib64");
        assert_eq!(expanded("${ORIGIN}x").unwrap(), "/opt/x/binx");
        assert_eq!(expanded("$ORIGINAL:$LIB_X").unwrap(), "$ORIGINAL:$LIB_X");
        assert_eq!(expanded("${ORIGIN").unwrap(), "${ORIGIN");
        assert_eq!(expanded("$").unwrap(), "$");
        assert_eq!(expanded("/x/$PLATFORM"), None);
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

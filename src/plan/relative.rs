//! `$ORIGIN`: expands it in entries, and makes entries relative to it. Compares paths as text:
//! origins are free of links already.

use super::Context;
use elf_edit::tokens::{Token, TokenEnd, leading_token};

/// Whether the entry begins with `$ORIGIN`.
pub(super) fn is_origin(entry: &[u8]) -> bool {
    after_token(entry).is_some()
}

/// Whether the loader resolves the entry from the current directory.
pub(super) fn is_relative(entry: &[u8]) -> bool {
    !entry.starts_with(b"/") && !is_origin(entry)
}

/// The rest after the token, in either form (ld.so(8), "Dynamic string tokens"). A name ends where
/// an identifier does: `$ORIGINAL` is no token.
fn after_token(entry: &[u8]) -> Option<&[u8]> {
    let (token, len) = leading_token(entry, TokenEnd::Identifier)?;
    (token == Token::Origin).then_some(&entry[len..])
}

/// The absolute directory of an entry, if its text determines it.
pub(crate) fn expand(entry: &[u8], origin: Option<&[u8]>) -> Option<Vec<u8>> {
    let whole = match after_token(entry) {
        Some(rest) => [origin?, rest].concat(),
        None => entry.to_vec(),
    };
    (whole.starts_with(b"/") && !whole.contains(&b'$')).then(|| normal(&whole))
}

fn parts(path: &[u8]) -> Vec<&[u8]> {
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split(|&byte| byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                parts.pop();
            }
            name => parts.push(name),
        }
    }
    parts
}

fn normal(path: &[u8]) -> Vec<u8> {
    [b"/".as_slice(), &parts(path).join(&b'/')].concat()
}

/// Whether the loader takes a path in an entry as it is: a colon ends the entry, and a dollar sign
/// may begin a token.
fn is_literal(path: &[u8]) -> bool {
    !path.iter().any(|byte| b":$".contains(byte))
}

/// Whether an entry can name a directory: by its path, or from the file, whose own path is not
/// read again.
pub(super) fn can_name(directory: &[u8], context: &Context<'_>) -> bool {
    let from_file = || {
        let entry = directory_from_origin(directory, context)?;
        after_token(&entry).map(is_literal)
    };
    is_literal(directory) || (context.stays_absolute.is_none() && from_file() == Some(true))
}

/// The entry as `$ORIGIN/…`, where the file and the directory lie under one of the roots.
pub(super) fn to_origin(entry: &[u8], context: &Context<'_>) -> Option<Vec<u8>> {
    match entry.contains(&b'$') {
        true => None,
        false => directory_from_origin(entry, context),
    }
}

/// The same for a directory, in whose path a dollar sign begins no token.
pub(super) fn directory_from_origin(entry: &[u8], context: &Context<'_>) -> Option<Vec<u8>> {
    let origin = parts(context.origin()?);
    if !entry.starts_with(b"/") {
        return None;
    }
    let entry = parts(entry);
    let under_one_root = context.policy.relative_roots.iter().any(|root| {
        let root = parts(root);
        origin.starts_with(&root) && entry.starts_with(&root)
    });
    if !under_one_root {
        return None;
    }
    let common = origin
        .iter()
        .zip(&entry)
        .take_while(|(a, b)| a == b)
        .count();
    let mut text = b"$ORIGIN".to_vec();
    for _ in common..origin.len() {
        text.extend_from_slice(b"/..");
    }
    for part in &entry[common..] {
        text.push(b'/');
        text.extend_from_slice(part);
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_expand_and_lookalikes_do_not() {
        let expand = |entry: &str| {
            expand(entry.as_bytes(), Some(b"/o/lib")).map(|v| String::from_utf8(v).unwrap())
        };
        assert_eq!(expand("$ORIGIN").as_deref(), Some("/o/lib"));
        assert_eq!(expand("${ORIGIN}/../x/.").as_deref(), Some("/o/x"));
        assert_eq!(expand("/a//b/").as_deref(), Some("/a/b"));
        assert_eq!(expand("$ORIGINAL/x"), None);
        assert_eq!(expand("$ORIGIN-x/y").as_deref(), Some("/o/lib-x/y"));
        assert_eq!(expand("/a/$LIB"), None);
        assert_eq!(expand("relative"), None);
        for relative in ["lib", ".", "$ORIGINAL/x", "$LIB/x", "../lib"] {
            assert!(is_relative(relative.as_bytes()), "{relative}");
        }
        for fixed in ["/lib", "$ORIGIN", "${ORIGIN}/lib", "$ORIGIN-x/y"] {
            assert!(!is_relative(fixed.as_bytes()), "{fixed}");
        }
    }
}

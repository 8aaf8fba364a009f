//! Paths as words of a shell.

/// The path as one word that no command parses as an option; `None` if it contains control
/// characters or is not UTF-8, as a report can't show it.
pub(crate) fn word(path: &[u8]) -> Option<String> {
    let text = str::from_utf8(path).ok()?;
    if text.is_empty() || text.chars().any(char::is_control) || text.contains('`') {
        return None;
    }
    let text = match text.starts_with('-') {
        true => format!("./{text}"),
        false => text.to_owned(),
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._+-@%:,=".contains(c);
    Some(match text.chars().all(plain) {
        true => text,
        false => format!("'{}'", text.replace('\'', r"'\''")),
    })
}

#[cfg(test)]
mod tests {
    use super::word;

    #[test]
    fn words_are_quoted_or_none() {
        assert_eq!(word(b"/a/b.so").as_deref(), Some("/a/b.so"));
        assert_eq!(word(b"a b").as_deref(), Some("'a b'"));
        assert_eq!(word(b"it's").as_deref(), Some(r"'it'\''s'"));
        assert_eq!(word(b"-x").as_deref(), Some("./-x"));
        assert_eq!(word(b"a\nb"), None);
        assert_eq!(word(b"\xff"), None);
    }
}

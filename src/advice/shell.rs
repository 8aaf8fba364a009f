//! Paths as words of a shell.

/// The path as one word that no command parses as an option, without control characters and
/// backquotes, which end a command in a report; `None` for one that no command can get.
pub(crate) fn word(path: &[u8]) -> Option<String> {
    if path.is_empty() || path.contains(&0) {
        return None;
    }
    let path = match path.starts_with(b"-") {
        true => &[b"./", path].concat()[..],
        false => path,
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._+-@%:,=".contains(c);
    let odd = |c: char| c.is_control() || c == '`';
    Some(match str::from_utf8(path) {
        Ok(text) if text.chars().all(plain) => text.to_owned(),
        Ok(text) if !text.contains(odd) => format!("'{}'", text.replace('\'', r"'\''")),
        _ => ansi_c(path),
    })
}

/// `$'a\012b'`, as bash, zsh, ksh and busybox read it.
fn ansi_c(path: &[u8]) -> String {
    let mut word = "$'".to_owned();
    let escape = |word: &mut String, bytes: &[u8]| {
        for byte in bytes {
            word.push_str(&format!("\\{byte:03o}"));
        }
    };
    for chunk in path.utf8_chunks() {
        for c in chunk.valid().chars() {
            if c.is_control() || "`'\\".contains(c) {
                escape(&mut word, c.encode_utf8(&mut [0; 4]).as_bytes());
            } else {
                word.push(c);
            }
        }
        escape(&mut word, chunk.invalid());
    }
    word.push('\'');
    word
}

#[cfg(test)]
mod tests {
    use super::word;

    #[test]
    fn words_are_quoted() {
        assert_eq!(word(b"/a/b.so").as_deref(), Some("/a/b.so"));
        assert_eq!(word(b"a b").as_deref(), Some("'a b'"));
        assert_eq!(word(b"it's").as_deref(), Some(r"'it'\''s'"));
        assert_eq!(word(b"-x").as_deref(), Some("./-x"));
        assert_eq!(word(b"-a\nb'\\").as_deref(), Some(r"$'./-a\012b\047\134'"));
        assert_eq!(word(b"a`1\xff").as_deref(), Some(r"$'a\1401\377'"));
        assert_eq!(
            word("\u{9b}ä\n".as_bytes()).as_deref(),
            Some(r"$'\302\233ä\012'")
        );
        assert_eq!((word(b""), word(b"a\0")), (None, None));
    }
}

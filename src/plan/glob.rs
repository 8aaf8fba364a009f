//! Shell patterns as Python's `fnmatch` reads them: `*`, `?`, `[seq]`, `[!seq]`, no escapes.

/// Whether a pattern of `--ignore-missing` excuses a NEEDED: the whole name or, as in nixpkgs, the
/// file name of one with a slash.
pub(crate) fn excuses(pattern: &[u8], needed: &[u8]) -> bool {
    let file_name = needed.rsplit(|&byte| byte == b'/').next();
    matches(pattern, needed) || file_name.is_some_and(|name| matches(pattern, name))
}

/// Whether the whole of `text` matches `pattern`.
pub(crate) fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    // Where to retry if the rest after the last star does not match: one byte later.
    let mut retry = None;
    loop {
        if pattern.get(p) == Some(&b'*') {
            p += 1;
            retry = Some((p, t));
            continue;
        }
        let step = text.get(t).and_then(|&byte| one(&pattern[p..], byte));
        match (step, retry) {
            (Some(len), _) => {
                p += len;
                t += 1;
            }
            (None, _) if p == pattern.len() && t == text.len() => return true,
            (None, Some((star, from))) if from < text.len() => {
                p = star;
                t = from + 1;
                retry = Some((star, t));
            }
            (None, _) => return false,
        }
    }
}

/// Length of the first element of `pattern`, if it matches `byte`.
fn one(pattern: &[u8], byte: u8) -> Option<usize> {
    match *pattern.first()? {
        b'?' => Some(1),
        b'[' => match set(pattern, byte) {
            Some((true, len)) => Some(len),
            Some((false, _)) => None,
            // An unclosed bracket matches itself.
            None => (byte == b'[').then_some(1),
        },
        literal => (literal == byte).then_some(1),
    }
}

/// Whether the set at the start of `pattern` has `byte`, and how long it is.
fn set(pattern: &[u8], byte: u8) -> Option<(bool, usize)> {
    let negated = pattern.get(1) == Some(&b'!');
    let first = if negated { 2 } else { 1 };
    // A bracket right at the start belongs to the set.
    let close = first + 1 + pattern.get(first + 1..)?.iter().position(|&b| b == b']')?;
    let mut members = &pattern[first..close];
    let mut has = false;
    while let Some((&low, rest)) = members.split_first() {
        members = match rest {
            [b'-', high, after @ ..] => {
                has |= (low..=*high).contains(&byte);
                after
            }
            _ => {
                has |= low == byte;
                rest
            }
        };
    }
    Some((has != negated, close + 1))
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn as_fnmatch_says() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("*", "libx.so", true),
            ("libcuda.so*", "libcuda.so.1", true),
            ("libcuda.so*", "xlibcuda.so.1", false),
            ("lib?.so", "libx.so", true),
            ("lib?.so", "lib.so", false),
            ("lib[ab].so", "liba.so", true),
            ("lib[!ab].so", "liba.so", false),
            ("lib[!ab].so", "libc.so", true),
            ("lib[0-9]*.so", "lib7z.so", true),
            ("lib[]].so", "lib].so", true),
            ("lib[.so", "lib[.so", true),
            ("*.so.*.1", "liba.so.2.so.3.1", true),
            ("a*b*c", "abxbc", true),
            ("a*b*c", "abxb", false),
            ("", "", true),
            ("", "a", false),
            (r"a\*", r"a\b", true),
        ] {
            let got = matches(pattern.as_bytes(), text.as_bytes());
            assert_eq!(got, expected, "{pattern} against {text}");
        }
    }

    #[test]
    fn many_stars_take_no_exponential_time() {
        let pattern = b"*a".repeat(200);
        let text = [b"a".repeat(5000), b"b".to_vec()].concat();
        assert!(!matches(&pattern, &text));
    }
}

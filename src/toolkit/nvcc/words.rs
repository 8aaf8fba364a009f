//! Splits NVCC_PREPEND_FLAGS, NVCC_APPEND_FLAGS and option files into arguments.

/// Words between blanks; quotes of both kinds and backslashes keep blanks in one.
pub(super) fn split(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None | Some('"'), '\\') => {
                word.get_or_insert_default().extend(chars.next());
            }
            (None, _) if c.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn blanks_quotes_and_backslashes() {
        assert_eq!(split("  -arch=sm_90\n -I x\t"), ["-arch=sm_90", "-I", "x"]);
        assert_eq!(
            split(r#"-DX="a b" '-I c d' e\ f '' "g\"h""#),
            ["-DX=a b", "-I c d", "e f", "", "g\"h"]
        );
        assert_eq!(split(r#""open"#), ["open"]);
        assert_eq!(split(""), [""; 0]);
    }
}

//! Dynamic string tokens: `$ORIGIN`, `$LIB`, `$PLATFORM`, with or without braces (ld.so(8)).

/// A token of a search path or of a needed name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token {
    /// The directory of the object.
    Origin,
    /// The library directory that the loader was built with.
    Lib,
    /// The name of the processor.
    Platform,
}

/// A piece of a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Text that is taken as it is. It may begin with a `$` that begins no token.
    Text(&'a [u8]),
    /// A token that the loader replaces.
    Token(Token),
}

/// Where a token without braces ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenEnd {
    /// glibc: where an identifier ends, so `$ORIGINAL` is text.
    Identifier,
    /// musl, which knows only `$ORIGIN`: after the name, so `$ORIGINAL` is `$ORIGIN` and `AL`.
    Name,
}

const TOKENS: [(&[u8], Token); 3] = [
    (b"ORIGIN", Token::Origin),
    (b"PLATFORM", Token::Platform),
    (b"LIB", Token::Lib),
];

/// Splits `text` into tokens and the text between them.
pub fn pieces(text: &[u8], end: TokenEnd) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        if let Some((token, len)) = leading_token(rest, end) {
            rest = &rest[len..];
            return Some(Piece::Token(token));
        }
        let own = usize::from(rest.starts_with(b"$"));
        let next = rest[own..].iter().position(|&b| b == b'$');
        let (piece, after) = rest.split_at(next.map_or(rest.len(), |at| own + at));
        rest = after;
        Some(Piece::Text(piece))
    })
}

/// The token at the start of `text`, and its length with `$` and braces.
pub fn leading_token(text: &[u8], end: TokenEnd) -> Option<(Token, usize)> {
    let after = text.strip_prefix(b"$")?;
    TOKENS.iter().find_map(|(name, token)| {
        let len = match after.strip_prefix(b"{") {
            Some(inner) => {
                let braced = inner.strip_prefix(*name)?.starts_with(b"}");
                braced.then_some(name.len() + 3)?
            }
            None => {
                let next = after.strip_prefix(*name)?.first();
                let goes_on = next.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
                (end == TokenEnd::Name || !goes_on).then_some(name.len() + 1)?
            }
        };
        Some((*token, len))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, end: TokenEnd) -> String {
        pieces(text.as_bytes(), end)
            .map(|piece| match piece {
                Piece::Text(text) => String::from_utf8(text.to_vec()).unwrap(),
                Piece::Token(token) => format!("<{token:?}>"),
            })
            .collect()
    }

    #[test]
    fn tokens_end_where_an_identifier_ends_but_not_for_musl() {
        let glibc = |text| shown(text, TokenEnd::Identifier);
        assert_eq!(glibc("$ORIGIN/../$LIB"), "<Origin>/../<Lib>");
        assert_eq!(glibc("a${ORIGIN}x$PLATFORM"), "a<Origin>x<Platform>");
        assert_eq!(glibc("$ORIGINAL:$LIB_X"), "$ORIGINAL:$LIB_X");
        assert_eq!(glibc("${ORIGIN"), "${ORIGIN");
        assert_eq!(glibc("$$ORIGIN$"), "$<Origin>$");
        assert_eq!(glibc(""), "");
        assert_eq!(shown("$ORIGINAL", TokenEnd::Name), "<Origin>AL");
    }
}

//! Colour on a terminal.

use std::fmt;

/// Whether text gets colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Paint {
    pub colour: bool,
}

impl Paint {
    fn with(self, code: &'static str, text: impl fmt::Display) -> String {
        match self.colour {
            true => format!("\x1b[{code}m{text}\x1b[0m"),
            false => text.to_string(),
        }
    }

    /// What a block is about.
    pub(crate) fn title(self, text: impl fmt::Display) -> String {
        self.with("1", text)
    }

    /// What is wrong.
    pub(crate) fn bad(self, text: impl fmt::Display) -> String {
        self.with("31", text)
    }

    /// What is odd.
    pub(crate) fn odd(self, text: impl fmt::Display) -> String {
        self.with("33", text)
    }

    /// What matters less.
    pub(crate) fn faint(self, text: impl fmt::Display) -> String {
        self.with("2", text)
    }
}

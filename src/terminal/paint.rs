//! The styles of all applets.

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use std::fmt;
use std::io;

const TITLE: Style = Style::new().bold();
const BAD: Style = AnsiColor::Red.on_default();
const GOOD: Style = AnsiColor::Green.on_default();
/// Yellow and the bright colours can't be read on a light background.
const ODD: Style = AnsiColor::Magenta.on_default();
const FAINT: Style = Style::new().dimmed();

/// Whether text gets colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Paint {
    colour: bool,
}

/// The label of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Label {
    /// Something failed.
    Error,
    /// Likely wrong.
    Warning,
    /// A cause, or for a look.
    Note,
    /// A remedy.
    Help,
}

impl Label {
    /// The word that starts the line.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Label::Error => "error",
            Label::Warning => "warning",
            Label::Note => "note",
            Label::Help => "help",
        }
    }

    fn style(self) -> Style {
        match self {
            Label::Error => AnsiColor::Red.on_default().bold(),
            Label::Warning => AnsiColor::Magenta.on_default().bold(),
            Label::Note => Style::new().bold(),
            Label::Help => AnsiColor::Cyan.on_default().bold(),
        }
    }
}

impl Paint {
    /// Without colours: for pipes, JSON and tests.
    pub(crate) const PLAIN: Paint = Paint { colour: false };

    /// For standard output.
    pub(crate) fn stdout() -> Paint {
        Paint {
            colour: AutoStream::choice(&io::stdout()) != ColorChoice::Never,
        }
    }

    /// For standard error.
    pub(crate) fn stderr() -> Paint {
        Paint {
            colour: AutoStream::choice(&io::stderr()) != ColorChoice::Never,
        }
    }

    fn with(self, style: Style, text: impl fmt::Display) -> String {
        match self.colour {
            true => format!("{style}{text}{style:#}"),
            false => text.to_string(),
        }
    }

    /// The subject of a block.
    pub(crate) fn title(self, text: impl fmt::Display) -> String {
        self.with(TITLE, text)
    }

    /// A fault.
    pub(crate) fn bad(self, text: impl fmt::Display) -> String {
        self.with(BAD, text)
    }

    /// Something that is added.
    pub(crate) fn good(self, text: impl fmt::Display) -> String {
        self.with(GOOD, text)
    }

    /// An oddity.
    pub(crate) fn odd(self, text: impl fmt::Display) -> String {
        self.with(ODD, text)
    }

    /// A detail.
    pub(crate) fn faint(self, text: impl fmt::Display) -> String {
        self.with(FAINT, text)
    }

    /// A label or a part of one: `error`, `warning[rpath]`.
    pub(crate) fn label(self, label: Label, text: impl fmt::Display) -> String {
        self.with(label.style(), text)
    }

    /// A line that starts with `note: ` or `help: `, with that word as a label.
    pub(crate) fn advice(self, line: &str) -> String {
        for label in [Label::Note, Label::Help] {
            if let Some(rest) = line.strip_prefix(label.word())
                && rest.starts_with(':')
            {
                return format!("{}{rest}", self.label(label, label.word()));
            }
        }
        line.to_owned()
    }
}

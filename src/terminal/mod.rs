//! Standard output and standard error for people: colours, the labels of messages, progress.
//!
//! Colours follow `--color`, then NO_COLOR, CLICOLOR_FORCE, CLICOLOR and TERM, as anstream reads
//! them. Nothing is looked up before the first coloured text is written.

mod paint;
mod progress;
mod streams;

pub(crate) use paint::{Label, Paint};
pub(crate) use progress::Progress;
pub(crate) use streams::{message, stderr, stdout};

/// The width of the terminal that standard output is, if it is one that says so.
pub(crate) fn columns() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
    (size.ws_col > 0).then(|| usize::from(size.ws_col))
}

/// When text has colours: `--color`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless NO_COLOR is set or TERM is dumb; CLICOLOR_FORCE: always
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

impl Color {
    /// Makes it the choice for both streams of this process.
    pub(crate) fn choose(self) {
        self.for_streams().write_global();
    }

    fn for_streams(self) -> anstream::ColorChoice {
        match self {
            Color::Auto => anstream::ColorChoice::Auto,
            Color::Always => anstream::ColorChoice::Always,
            Color::Never => anstream::ColorChoice::Never,
        }
    }

    /// The same for clap, which colours its help and its errors.
    pub(crate) fn for_clap() -> clap::ColorChoice {
        match anstream::ColorChoice::global() {
            anstream::ColorChoice::Never => clap::ColorChoice::Never,
            anstream::ColorChoice::Auto => clap::ColorChoice::Auto,
            _ => clap::ColorChoice::Always,
        }
    }
}

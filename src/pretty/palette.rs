//! The colours: the terminal's own sixteen, so that they fit its theme.

use crate::pretty::ColorChoice;

/// Whether to colour.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Palette {
    enabled: bool,
}

/// What a piece of text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Plain,
    Dim,
    Connection(u8),
    Database,
    Quick,
    Brisk,
    Slowish,
    Slow,
    VerySlow,
    Error,
    /// The first keyword of a statement that reads.
    Reads,
    /// ... that changes rows.
    Changes,
    /// ... that changes the schema or rights.
    Defines,
    /// ... that removes a lot.
    Destroys,
    /// ... that begins or ends a transaction.
    Transaction,
    /// ... that does something else.
    Other,
    Keyword,
    Literal,
    Number,
    Name,
    Comment,
    Placeholder,
}

impl Style {
    /// Each connection keeps its colour, so that its statements are easy to follow.
    pub(crate) fn connection(id: u64) -> Self {
        Self::Connection((id % 6) as u8)
    }

    /// The parameters of the SGR escape sequence (ECMA-48, 8.3.117).
    const fn sgr(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Dim | Self::Comment => "2",
            Self::Connection(0) => "36",
            Self::Connection(1) => "35",
            Self::Connection(2) => "34",
            Self::Connection(3) => "96",
            Self::Connection(4) => "95",
            Self::Connection(_) => "94",
            Self::Database => "3",
            Self::Quick => "2;32",
            Self::Brisk => "32",
            Self::Slowish => "33",
            Self::Slow => "1;33",
            Self::VerySlow => "1;31",
            Self::Error => "31",
            Self::Reads => "1;32",
            Self::Changes => "1;33",
            Self::Defines => "1;35",
            Self::Destroys => "1;31",
            Self::Transaction => "1;34",
            Self::Other => "1",
            Self::Keyword => "34",
            Self::Literal => "32",
            Self::Number => "36",
            Self::Name => "",
            Self::Placeholder => "1;36",
        }
    }
}

impl Palette {
    /// Decides by the choice, the terminal, and the NO_COLOR convention (<https://no-color.org>).
    pub(crate) fn choose(choice: ColorChoice, is_terminal: bool) -> Self {
        let enabled = match choice {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => {
                let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
                let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
                is_terminal && !refused && !dumb
            }
        };
        Self { enabled }
    }

    /// What switches the style on and off again.
    pub(crate) fn brackets(self, style: Style) -> (&'static str, &'static str, &'static str) {
        match style.sgr() {
            sgr if self.enabled && !sgr.is_empty() => ("\x1b[", sgr, "\x1b[0m"),
            _ => ("", "", ""),
        }
    }
}

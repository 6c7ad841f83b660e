//! One line of output that knows how wide it is, and lets nothing through that a terminal would act on.

use unicode_width::UnicodeWidthChar;

use crate::pretty::palette::{Palette, Style};

const ELLIPSIS: char = '…';

pub(crate) struct Line<'a> {
    out: &'a mut Vec<u8>,
    palette: Palette,
    column: usize,
    /// Columns that may be used, the ellipsis included.
    limit: usize,
    full: bool,
    wrap: Option<Wrap>,
}

/// How a text that does not fit goes on.
#[derive(Debug, Clone, Copy)]
struct Wrap {
    /// Where further lines begin.
    indent: usize,
    /// How many further lines there may be.
    lines: usize,
}

impl<'a> Line<'a> {
    pub(crate) fn new(out: &'a mut Vec<u8>, palette: Palette, width: Option<usize>) -> Self {
        Self { out, palette, column: 0, limit: width.unwrap_or(usize::MAX), full: false, wrap: None }
    }

    pub(crate) fn column(&self) -> usize {
        self.column
    }

    /// Whether nothing more fits.
    pub(crate) fn is_full(&self) -> bool {
        self.full
    }

    /// Grants at least this many further columns, even if the terminal will wrap the line.
    pub(crate) fn leave_at_least(&mut self, columns: usize) {
        self.full = false;
        self.limit = self.limit.max(self.column + columns);
    }

    /// From here on text goes on in up to `lines` further lines, which begin here too.
    pub(crate) fn wrap_here(&mut self, lines: usize) {
        self.wrap = Some(Wrap { indent: self.column, lines });
    }

    /// Continues on the next line if a word fits there but not here. False if the word stays on this line.
    pub(crate) fn wrap_before(&mut self, text: &str, space: usize) -> bool {
        let Some(wrap) = self.wrap.filter(|wrap| wrap.lines > 0 && !self.full) else {
            return false;
        };
        let word = text.split_whitespace().next().unwrap_or_default();
        // Only as much of it as decides: it may be a literal of megabytes.
        let columns: usize = word.chars().take(self.limit.saturating_add(1)).map(columns_of_char).sum();
        if self.column + space + columns <= self.limit || wrap.indent + columns > self.limit {
            return false;
        }
        self.next_line()
    }

    /// Ends this line and begins the next, if there may be one.
    fn next_line(&mut self) -> bool {
        let Some(wrap) = self.wrap.as_mut().filter(|wrap| wrap.lines > 0) else {
            return false;
        };
        wrap.lines -= 1;
        self.column = 0;
        let indent = wrap.indent;
        self.out.push(b'\n');
        self.spaces(indent);
        true
    }

    /// Text that goes on on the next line, if it may, or is cut off at the end of this one.
    pub(crate) fn text(&mut self, style: Style, text: &str) {
        if self.full || text.is_empty() {
            return;
        }
        self.open(style);
        for c in text.chars() {
            let columns = columns_of_char(c);
            // The last column of the last line is kept for the ellipsis.
            let is_last = self.wrap.is_none_or(|wrap| wrap.lines == 0);
            if self.column + columns + usize::from(is_last) > self.limit {
                self.close(style);
                let goes_on = self.next_line();
                self.open(style);
                if !goes_on {
                    self.push(ELLIPSIS);
                    self.full = true;
                    break;
                }
            }
            self.push_escaped(c);
            self.column += columns;
        }
        self.close(style);
    }

    /// Text whose end says most: what does not fit is cut off at its beginning.
    pub(crate) fn text_from_its_end(&mut self, style: Style, text: &str) {
        // The last column stays free, as with other text.
        let room = self.limit.saturating_sub(self.column + 1);
        if self.full || columns_of(text) <= room {
            return self.text(style, text);
        }
        let mut columns = 1;
        let mut fits = |c: char| {
            columns += columns_of_char(c);
            columns <= room
        };
        let kept: usize = text.chars().rev().map_while(|c| fits(c).then_some(c.len_utf8())).sum();
        self.text(style, &format!("{ELLIPSIS}{}", text.get(text.len() - kept..).unwrap_or_default()));
    }

    /// Text in a column of a fixed width, cut or padded on the right.
    pub(crate) fn cell(&mut self, style: Style, text: &str, width: usize) {
        let used = self.clipped(style, text, width);
        self.spaces(width.saturating_sub(used));
    }

    /// Text in a column of a fixed width, padded on the left.
    pub(crate) fn cell_right(&mut self, style: Style, text: &str, width: usize) {
        self.spaces(width.saturating_sub(columns_of(text)));
        self.clipped(style, text, width);
    }

    pub(crate) fn gap(&mut self) {
        self.spaces(2);
    }

    pub(crate) fn spaces(&mut self, count: usize) {
        self.out.extend(std::iter::repeat_n(b' ', count));
        self.column += count;
    }

    pub(crate) fn end(self) {
        self.out.push(b'\n');
    }

    fn clipped(&mut self, style: Style, text: &str, width: usize) -> usize {
        let fits = columns_of(text) <= width;
        let mut used = 0;
        self.open(style);
        for c in text.chars() {
            let columns = columns_of_char(c);
            if !fits && used + columns + 1 > width {
                self.push(ELLIPSIS);
                used += 1;
                break;
            }
            self.push_escaped(c);
            used += columns;
        }
        self.close(style);
        self.column += used;
        used
    }

    fn open(&mut self, style: Style) {
        let (start, sgr, end) = self.palette.brackets(style);
        if !end.is_empty() {
            self.out.extend_from_slice(start.as_bytes());
            self.out.extend_from_slice(sgr.as_bytes());
            self.out.push(b'm');
        }
    }

    fn close(&mut self, style: Style) {
        self.out.extend_from_slice(self.palette.brackets(style).2.as_bytes());
    }

    fn push(&mut self, c: char) {
        self.out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    }

    fn push_escaped(&mut self, c: char) {
        match c {
            '\n' => self.out.extend_from_slice(b"\\n"),
            '\r' => self.out.extend_from_slice(b"\\r"),
            '\t' => self.out.extend_from_slice(b"\\t"),
            c if is_dangerous(c) => self.out.extend_from_slice(c.escape_unicode().to_string().as_bytes()),
            c => self.push(c),
        }
    }
}

/// The columns a text takes, as it is shown here.
pub(crate) fn columns_of(text: &str) -> usize {
    text.chars().map(columns_of_char).sum()
}

fn columns_of_char(c: char) -> usize {
    match c {
        ' '..='~' => 1,
        '\n' | '\r' | '\t' => 2,
        c if is_dangerous(c) => c.escape_unicode().count(),
        c => c.width().unwrap_or(0),
    }
}

/// Control characters drive the terminal; bidirectional and invisible ones make text look like other text
/// (Unicode TR 36, "Trojan Source").
fn is_dangerous(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

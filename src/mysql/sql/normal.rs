//! A statement in one spelling, without its values.

use super::lexis::Lexis;
use super::quoted::unquote;
use super::tokens::Kind;

/// What was written last, as far as it decides what becomes of the next token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Item {
    /// `?`
    Value,
    /// `?, ...`
    Values,
    /// `(?)`
    OneInBrackets,
    /// `(?) /* , ... */`
    OnesInBrackets,
    /// `(...)`
    Row,
    /// `(...) /* , ... */`
    Rows,
    /// The list after IN, `(...)` whatever its length.
    InList,
    Open,
    Close,
    Comma,
    /// `+` or `-`, and whether it belongs to the value after it.
    Sign {
        is_unary: bool,
    },
    /// The word IN.
    In,
    /// IS or NOT: a NULL after them is not one of the statement's values.
    IsOrNot,
    /// Another word after which an expression begins.
    Begins,
    /// A name, or a word of which that is not known.
    Word,
    Other,
}

impl Item {
    /// Whether a sign after it is an operator between two operands.
    fn is_operand(self) -> bool {
        !matches!(
            self,
            Self::Open | Self::Comma | Self::Sign { .. } | Self::In | Self::IsOrNot | Self::Begins | Self::Other
        )
    }
}

/// Words that a signed number may follow: it is a value as a whole. Sorted.
const BEGINNINGS: [&[u8]; 45] = [
    b"all",
    b"and",
    b"as",
    b"between",
    b"binary",
    b"by",
    b"call",
    b"case",
    b"default",
    b"distinct",
    b"distinctrow",
    b"div",
    b"do",
    b"else",
    b"elseif",
    b"ends",
    b"escape",
    b"every",
    b"from",
    b"having",
    b"if",
    b"interval",
    b"kill",
    b"like",
    b"limit",
    b"mod",
    b"offset",
    b"on",
    b"or",
    b"regexp",
    b"return",
    b"returning",
    b"rlike",
    b"row",
    b"select",
    b"set",
    b"starts",
    b"then",
    b"to",
    b"until",
    b"using",
    b"values",
    b"when",
    b"where",
    b"while",
];

/// How many items are remembered. A list's element is looked at with the three items before it; signs may be more.
const REMEMBERED: usize = 8;

/// Writes tokens in one spelling.
#[derive(Debug)]
pub(super) struct Normalizer {
    lexis: Lexis,
    out: Vec<u8>,
    /// The last items and where each begins in `out`.
    tail: Vec<(Item, usize)>,
    /// A semicolon counts when something follows it.
    semicolon: bool,
    /// Whether anything was written, to `out` or taken from it.
    has_begun: bool,
}

impl Normalizer {
    pub(super) fn new(lexis: Lexis) -> Self {
        Self { lexis, out: Vec::new(), tail: Vec::with_capacity(2 * REMEMBERED), semicolon: false, has_begun: false }
    }

    /// Gives away the front of the text that no later token can change, once it is worth a call.
    pub(super) fn take_settled(&mut self, take: &mut dyn FnMut(&[u8])) {
        if self.out.len() < 4096 {
            return;
        }
        let settled = self.tail.first().map_or(self.out.len(), |(_, start)| *start);
        take(self.out.get(..settled).unwrap_or_default());
        self.out.drain(..settled);
        self.tail.iter_mut().for_each(|(_, start)| *start -= settled);
    }

    /// The text, or the rest of it.
    pub(super) fn finish(self) -> Vec<u8> {
        self.out
    }

    /// The next token.
    pub(super) fn push(&mut self, kind: Kind, text: &[u8]) {
        if kind == Kind::Semicolon {
            self.semicolon = self.has_begun;
            return;
        }
        if std::mem::take(&mut self.semicolon) {
            self.write(Item::Other, b";");
        }
        match kind {
            Kind::Text => self.value(true, false),
            Kind::Binary => self.value(true, true),
            Kind::Number => self.value(false, true),
            Kind::Word => self.word(text),
            Kind::Name => self.name(text),
            Kind::Variable => self.variable(text),
            Kind::Open => self.write(Item::Open, b"("),
            Kind::Close => self.close(),
            Kind::Comma => self.write(Item::Comma, b","),
            Kind::Dot => self.write(Item::Other, b"."),
            Kind::Other => self.other(text),
            Kind::Semicolon | Kind::Comment => {}
        }
    }

    fn write(&mut self, item: Item, text: &[u8]) {
        self.begin(item);
        self.out.extend_from_slice(text);
    }

    /// Begins an item, whose text is written to `out` next.
    fn begin(&mut self, item: Item) {
        if self.tail.len() >= 2 * REMEMBERED {
            self.tail.drain(..REMEMBERED);
        }
        self.tail.push((item, self.out.len()));
        if self.has_begun {
            self.out.push(b' ');
        }
        self.has_begun = true;
    }

    /// Takes the last items back.
    fn take_back(&mut self, count: usize) {
        for _ in 0..count {
            if let Some((_, start)) = self.tail.pop() {
                self.out.truncate(start);
                self.has_begun = start > 0 || !self.tail.is_empty();
            }
        }
    }

    /// The last item, or the one that many before it.
    fn item(&self, before: usize) -> Option<Item> {
        self.tail.iter().rev().nth(before).map(|(item, _)| *item)
    }

    /// A literal, a placeholder or NULL. `may_be_introduced`: the name of a character set may stand in front of it.
    fn value(&mut self, may_be_introduced: bool, may_be_signed: bool) {
        if may_be_introduced
            && let Some((Item::Word, start)) = self.tail.last()
            && self.out.get(*start..).unwrap_or_default().trim_ascii_start().starts_with(b"_")
        {
            self.take_back(1);
            self.write(Item::Other, b"_charset");
        }
        while may_be_signed && self.item(0) == Some(Item::Sign { is_unary: true }) {
            self.take_back(1);
        }
        match (self.item(1), self.item(0)) {
            (Some(Item::Value | Item::Values), Some(Item::Comma)) => {
                self.take_back(2);
                self.write(Item::Values, b"?, ...");
            }
            _ => self.write(Item::Value, b"?"),
        }
    }

    fn close(&mut self) {
        let (item, list) = match (self.item(1), self.item(0)) {
            (Some(Item::Open), Some(Item::Value | Item::Values)) if self.item(2) == Some(Item::In) => {
                (Item::InList, Item::InList)
            }
            (Some(Item::Open), Some(Item::Value)) => (Item::OneInBrackets, Item::OnesInBrackets),
            (Some(Item::Open), Some(Item::Values)) => (Item::Row, Item::Rows),
            _ => return self.write(Item::Close, b")"),
        };
        self.take_back(2);
        let continues_list = self.item(0) == Some(Item::Comma)
            && self.item(1).is_some_and(|before| item != Item::InList && (before == item || before == list));
        let item = if continues_list {
            self.take_back(2);
            list
        } else {
            item
        };
        let text: &[u8] = match item {
            Item::OneInBrackets => b"(?)",
            Item::OnesInBrackets => b"(?) /* , ... */",
            Item::Rows => b"(...) /* , ... */",
            _ => b"(...)",
        };
        self.write(item, text);
    }

    fn word(&mut self, text: &[u8]) {
        if text.eq_ignore_ascii_case(b"null") && self.item(0) != Some(Item::IsOrNot) {
            return self.value(false, false);
        }
        self.begin(Item::Word);
        let start = self.out.len();
        self.lower(text);
        let word = self.out.get(start..).unwrap_or_default();
        let item = match word {
            b"in" => Item::In,
            b"is" | b"not" => Item::IsOrNot,
            b"xor" => Item::Begins,
            _ if BEGINNINGS.binary_search(&word).is_ok() => Item::Begins,
            _ => Item::Word,
        };
        if let Some(last) = self.tail.last_mut() {
            last.0 = item;
        }
    }

    /// A name, without quotes where it needs none.
    fn name(&mut self, text: &[u8]) {
        let name = unquote(text, self.lexis);
        self.begin(Item::Word);
        let is_plain = !name.is_empty() && name.iter().all(|byte| self.lexis.is_word(*byte));
        if is_plain {
            return self.lower(&name);
        }
        self.out.push(b'`');
        self.lower(&name);
        self.out.push(b'`');
    }

    /// A user's variable is a value's place, as is an account's host; the server's variables are names.
    fn variable(&mut self, text: &[u8]) {
        if !text.starts_with(b"@@") {
            return self.write(Item::Word, b"@?");
        }
        self.begin(Item::Word);
        let bare: Vec<u8> = text.iter().copied().filter(|byte| *byte != b'`').collect();
        self.lower(&bare);
    }

    fn other(&mut self, text: &[u8]) {
        match (text, self.tail.last().copied()) {
            (b"?" | b"\\N", _) => self.value(false, false),
            (b"+" | b"-", last) => {
                let is_unary = !last.is_some_and(|(item, _)| item.is_operand());
                self.write(Item::Sign { is_unary }, text);
            }
            // `->`, `->>`
            ([b'>', ..], Some((Item::Sign { .. }, start))) => {
                self.tail.pop();
                self.tail.push((Item::Other, start));
                self.out.extend_from_slice(text);
            }
            // The lexer's symbols are single characters: `<=` is two.
            (_, Some((Item::Other, start))) if self.is_operator(start) => {
                self.out.extend_from_slice(text);
                if self.out.get(start..).is_some_and(|written| written.trim_ascii_start() == b"<>") {
                    let end = self.out.len();
                    self.out.truncate(end - 2);
                    self.out.extend_from_slice(b"!=");
                }
            }
            _ => self.write(Item::Other, text),
        }
    }

    /// Whether what was written from `start` on is made of operators' characters.
    fn is_operator(&self, start: usize) -> bool {
        let written = self.out.get(start..).unwrap_or_default().trim_ascii_start();
        !written.is_empty() && written.iter().all(|byte| b"<>=!&|:^~*/%".contains(byte))
    }

    /// Appends text with its ASCII letters in lower case; a character's second byte is no letter.
    fn lower(&mut self, text: &[u8]) {
        let mut rest = text;
        while let Some(&byte) = rest.first() {
            let length = if byte >= 0x80 { self.lexis.charset.character_length(rest) } else { 1 };
            let (character, next) = rest.split_at_checked(length).unwrap_or((rest, &[]));
            match character {
                [single] => self.out.push(single.to_ascii_lowercase()),
                several => self.out.extend_from_slice(several),
            }
            rest = next;
        }
    }
}

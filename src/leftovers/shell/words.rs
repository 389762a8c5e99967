//! Words and what separates them.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::str::Chars;

/// The most words that one word may stand for.
const MOST: usize = 256;

/// What a text is read as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// A word: several where a variable in it has several.
    Words(Vec<String>),
    /// The file of `>` or `>>`.
    Output(Vec<String>),
    /// `()`: what stands before it is a function's name.
    Function,
    /// `)` without a `(`: what stands before it is the pattern of a case.
    Pattern,
    /// The end of a command whose output the next one reads, or `|` within a pattern.
    Pipe,
    /// The end of a command.
    End,
}

/// Reads a text piece by piece.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    rest: Peekable<Chars<'a>>,
    line: usize,
    /// Where the last piece began.
    begin: usize,
    /// Whether the last newline is still to be counted: what stands before it is on the
    /// line that it ends.
    at_end: bool,
    depth: usize,
    /// Whether the last piece was a `(` that opens a group.
    opened: bool,
    /// The last lines of texts that begin after this line (`<<EOF`).
    here: Vec<String>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self {
            rest: text.chars().peekable(),
            line: 1,
            begin: 1,
            at_end: false,
            depth: 0,
            opened: false,
            here: Vec::new(),
        }
    }

    /// The lines of the last piece: where it began, and where it ended.
    pub(super) fn lines(&self) -> (usize, usize) {
        (self.begin, self.line)
    }

    /// Whether the last piece ended a command because a group begins.
    pub(super) fn opened_group(&self) -> bool {
        self.opened
    }

    pub(super) fn next(&mut self, variables: &BTreeMap<String, String>) -> Option<Piece> {
        self.line += usize::from(std::mem::take(&mut self.at_end));
        self.opened = false;
        loop {
            let next = *self.rest.peek()?;
            match next {
                ' ' | '\t' | '\r' => drop(self.rest.next()),
                '\\' if self.rest.clone().nth(1) == Some('\n') => {
                    self.rest.next();
                    self.rest.next();
                    self.line += 1;
                }
                '#' => while self.rest.next_if(|c| *c != '\n').is_some() {},
                _ => break,
            }
        }
        let first = *self.rest.peek()?;
        self.begin = self.line;
        Some(match first {
            '\n' => self.newline(),
            ';' => self.end_of_command(),
            '|' => {
                self.rest.next();
                Piece::Pipe
            }
            '&' if self.rest.clone().nth(1) == Some('>') => {
                self.rest.next();
                self.redirection(variables)
            }
            '&' => self.end_of_command(),
            '(' => self.opened(),
            ')' => self.closed(),
            '<' | '>' => self.redirection(variables),
            _ => self.word(variables),
        })
    }

    fn end_of_command(&mut self) -> Piece {
        self.rest.next();
        Piece::End
    }

    fn newline(&mut self) -> Piece {
        self.rest.next();
        self.at_end = true;
        for end in std::mem::take(&mut self.here) {
            loop {
                let mut line = String::new();
                while let Some(c) = self.rest.next_if(|c| *c != '\n') {
                    line.push(c);
                }
                let more = self.rest.next().is_some();
                self.line += 1;
                if line.trim_start_matches('\t') == end || !more {
                    break;
                }
            }
        }
        Piece::End
    }

    fn opened(&mut self) -> Piece {
        self.rest.next();
        while self.rest.next_if(|c| *c == ' ').is_some() {}
        if self.rest.next_if(|c| *c == ')').is_some() {
            return Piece::Function;
        }
        self.depth += 1;
        self.opened = true;
        Piece::End
    }

    fn closed(&mut self) -> Piece {
        self.rest.next();
        match self.depth.checked_sub(1) {
            Some(depth) => {
                self.depth = depth;
                Piece::End
            }
            None => Piece::Pattern,
        }
    }

    /// `>file`, `>>file`, `>&2`, `<file`, `<<EOF`.
    fn redirection(&mut self, variables: &BTreeMap<String, String>) -> Piece {
        let mut sign = String::new();
        while let Some(c) = self.rest.next_if(|c| "<>&-|".contains(*c)) {
            sign.push(c);
        }
        while self.rest.next_if(|c| matches!(c, ' ' | '\t')).is_some() {}
        let Piece::Words(target) = self.word(variables) else {
            return Piece::Words(Vec::new());
        };
        if sign.starts_with("<<") && !sign.starts_with("<<<") {
            self.here.extend(target);
            return Piece::Words(Vec::new());
        }
        match sign.starts_with('>') && !sign.contains('&') {
            true => Piece::Output(target),
            false => Piece::Words(Vec::new()),
        }
    }

    fn word(&mut self, variables: &BTreeMap<String, String>) -> Piece {
        let mut word = Word::default();
        while let Some(c) = self.rest.next_if(|c| !" \t\r\n;|&()<>".contains(*c)) {
            match c {
                '\\' => match self.rest.next() {
                    Some('\n') => self.line += 1,
                    Some(c) => word.push(c),
                    None => {}
                },
                '\'' => self.quoted(&mut word),
                '"' => self.double_quoted(&mut word, variables),
                '$' => self.value(&mut word, variables),
                '`' => self.command_in_word(&mut word, '`'),
                _ => word.push(c),
            }
        }
        if word.is_name_of_array() && self.rest.next_if(|c| *c == '(').is_some() {
            self.array(&mut word, variables);
        }
        // `2>`: the number belongs to the sign.
        let is_number = word.is_number() && matches!(self.rest.peek(), Some('<' | '>'));
        match is_number {
            true => self.redirection(variables),
            false => Piece::Words(word.texts),
        }
    }

    fn quoted(&mut self, word: &mut Word) {
        for c in self.rest.by_ref().take_while(|c| *c != '\'') {
            self.line += usize::from(c == '\n');
            word.push(c);
        }
    }

    fn double_quoted(&mut self, word: &mut Word, variables: &BTreeMap<String, String>) {
        while let Some(c) = self.rest.next().filter(|c| *c != '"') {
            match c {
                '\\' => match self.rest.next() {
                    Some('\n') => self.line += 1,
                    Some(c) => word.push(c),
                    None => {}
                },
                '$' => self.value(word, variables),
                '`' => self.command_in_word(word, '`'),
                _ => {
                    self.line += usize::from(c == '\n');
                    word.push(c);
                }
            }
        }
    }

    /// What stands after `$`.
    fn value(&mut self, word: &mut Word, variables: &BTreeMap<String, String>) {
        match self.rest.peek() {
            Some('(') => {
                self.rest.next();
                self.command_in_word(word, ')');
            }
            // `$"text"` is a text in the user's language.
            Some('"') => {}
            Some('{') => {
                self.rest.next();
                let inner: String = self.rest.by_ref().take_while(|c| *c != '}').collect();
                let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
                let length = inner.find(|c| !is_name(c)).unwrap_or(inner.len());
                let (name, more) = inner.split_at(length);
                let default = more
                    .strip_prefix(":-")
                    .or_else(|| more.strip_prefix(":="))
                    .or_else(|| more.strip_prefix('-'));
                match variables.get(name).map(String::as_str).or(default) {
                    Some(value) => word.push_one_of(value),
                    None => word.push_str(&format!("${{{inner}}}")),
                }
            }
            _ => {
                let mut name = String::new();
                let is_name = |c: &char| c.is_ascii_alphanumeric() || *c == '_';
                while let Some(c) = self.rest.next_if(is_name) {
                    name.push(c);
                }
                match variables.get(&name) {
                    Some(value) => word.push_one_of(value),
                    None => word.push_str(&format!("${name}")),
                }
            }
        }
    }

    /// What a command would print is not known.
    fn command_in_word(&mut self, word: &mut Word, end: char) {
        let mut depth = 0;
        for c in self.rest.by_ref() {
            self.line += usize::from(c == '\n');
            match c {
                _ if c == end && depth == 0 => break,
                '(' if end == ')' => depth += 1,
                ')' if end == ')' => depth -= 1,
                _ => {}
            }
        }
        word.push_str("$()");
    }

    /// `(a b)` after `name=`.
    fn array(&mut self, word: &mut Word, variables: &BTreeMap<String, String>) {
        let mut values = Vec::new();
        loop {
            match self.rest.peek() {
                None => break,
                Some(')') => {
                    self.rest.next();
                    break;
                }
                Some(c) if " \t\r\n;|&(<>".contains(*c) => {
                    self.line += usize::from(*c == '\n');
                    self.rest.next();
                }
                Some(_) => {
                    if let Piece::Words(words) = self.word(variables) {
                        values.extend(words);
                    }
                }
            }
        }
        word.push_str(&values.join(" "));
    }
}

/// A word in the making: every text that it may be.
#[derive(Debug)]
struct Word {
    texts: Vec<String>,
}

impl Default for Word {
    fn default() -> Self {
        Self {
            texts: vec![String::new()],
        }
    }
}

impl Word {
    fn push(&mut self, c: char) {
        self.texts.iter_mut().for_each(|text| text.push(c));
    }

    fn push_str(&mut self, more: &str) {
        self.texts.iter_mut().for_each(|text| text.push_str(more));
    }

    /// Each word of a value makes a text of its own.
    fn push_one_of(&mut self, value: &str) {
        let mut words = value.split_whitespace().peekable();
        if words.peek().is_none() {
            return;
        }
        let texts =
            words.flat_map(|word| self.texts.iter().map(move |text| format!("{text}{word}")));
        self.texts = texts.take(MOST).collect();
    }

    fn is_name_of_array(&self) -> bool {
        self.texts.first().is_some_and(|text| text.ends_with('='))
    }

    fn is_number(&self) -> bool {
        let text = self.texts.first().map_or("", String::as_str);
        !text.is_empty() && text.chars().all(|c| c.is_ascii_digit())
    }
}

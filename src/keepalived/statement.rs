//! The text of a `keepalived.conf` as a tree of statements.
//!
//! A statement is a line of words, perhaps followed by a block in braces, whose
//! opening one may stand on the next line. `#` and `!` begin a comment. Variables
//! (`$NAME=value`, then `$NAME` or `${NAME}`) are replaced where they are defined
//! on one line.

use winnow::ascii::space0;
use winnow::combinator::{alt, delimited, opt, preceded, repeat, terminated};
use winnow::prelude::*;
use winnow::token::{one_of, rest, take_till};

use super::Unreadable;

/// A line of words with the block that belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Statement {
    pub(super) line: usize,
    words: Vec<String>,
    pub(super) block: Vec<Statement>,
}

impl Statement {
    /// Its first word.
    pub(super) fn key(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }

    /// Another of its words; the first after the key is 1.
    pub(super) fn argument(&self, index: usize) -> Option<&str> {
        self.words.get(index).map(String::as_str)
    }

    /// All words after the key.
    pub(super) fn arguments(&self) -> &[String] {
        self.words.get(1..).unwrap_or_default()
    }

    /// What follows a word among its arguments: `group` in `lvs_sync_daemon eth0
    /// group 224.0.0.99`.
    pub(super) fn after(&self, word: &str) -> Option<&str> {
        let at = self.words.iter().position(|found| found == word)?;
        self.argument(at + 1)
    }

    /// The last statement of its block with that key, as keepalived takes it.
    pub(super) fn find(&self, key: &str) -> Option<&Statement> {
        self.block.iter().rfind(|found| found.key() == key)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    Open,
    Close,
}

/// Reads every statement.
pub(super) fn read(text: &str) -> Result<Vec<Statement>, Unreadable> {
    let mut variables = Vec::new();
    // The statements of each block that is open, with the line of its end unknown.
    let mut open = vec![Vec::<Statement>::new()];
    let mut begun = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = expand(line, &variables);
        if let Some(variable) = definition(&line) {
            variables.push(variable);
            continue;
        }
        let unreadable = |text| Unreadable { line: number, text };
        let mut words = Vec::new();
        for token in tokens(&line).ok_or_else(|| unreadable("a quotation that does not end"))? {
            match token {
                Token::Word(word) => words.push(word),
                Token::Open => {
                    finish(&mut open, number, &mut words);
                    begun.push(number);
                    open.push(Vec::new());
                }
                Token::Close => {
                    finish(&mut open, number, &mut words);
                    let block = open.pop().filter(|_| begun.pop().is_some());
                    let block = block.ok_or_else(|| unreadable("} without {"))?;
                    let owner = open.last_mut().and_then(|outer| outer.last_mut());
                    owner.ok_or_else(|| unreadable("a block of nothing"))?.block = block;
                }
            }
        }
        finish(&mut open, number, &mut words);
    }
    match begun.first() {
        Some(line) => Err(Unreadable {
            line: *line,
            text: "{ without }",
        }),
        None => Ok(open.pop().unwrap_or_default()),
    }
}

/// Ends the statement that these words are, if they are any.
fn finish(open: &mut [Vec<Statement>], line: usize, words: &mut Vec<String>) {
    if let (Some(block), false) = (open.last_mut(), words.is_empty()) {
        block.push(Statement {
            line,
            words: std::mem::take(words),
            block: Vec::new(),
        });
    }
}

/// `$NAME=value`, without the rest of a definition over several lines.
fn definition(line: &str) -> Option<(String, String)> {
    let (name, value) = line.trim_start().strip_prefix('$')?.split_once('=')?;
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let known = !name.is_empty() && name.bytes().all(legal) && !value.ends_with('\\');
    known.then(|| (name.to_owned(), value.trim().to_owned()))
}

/// The newest definition counts, and a longer name goes before its beginning.
fn expand(line: &str, variables: &[(String, String)]) -> String {
    let mut line = line.to_owned();
    if line.contains('$') && definition(&line).is_none() {
        let mut known: Vec<_> = variables.iter().rev().collect();
        known.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
        for (name, value) in known {
            line = line.replace(&format!("${{{name}}}"), value);
            line = line.replace(&format!("${name}"), value);
        }
    }
    line
}

/// None: a quotation does not end.
fn tokens(line: &str) -> Option<Vec<Token>> {
    let comment = preceded(one_of(['#', '!']), rest);
    let token = alt((
        '{'.value(Token::Open),
        '}'.value(Token::Close),
        word.map(Token::Word),
    ));
    let tokens = repeat(0.., delimited(space0, token, space0));
    terminated(tokens, (space0, opt(comment))).parse(line).ok()
}

/// A word, parts of which may be in quotes.
fn word(input: &mut &str) -> ModalResult<String> {
    let bare = take_till(1.., [' ', '\t', '\r', '{', '}', '#', '!', '"', '\'']);
    let double = delimited('"', take_till(0.., '"'), '"');
    let single = delimited('\'', take_till(0.., '\''), '\'');
    repeat(1.., alt((double, single, bare))).parse_next(input)
}

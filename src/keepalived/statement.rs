//! The text of a `keepalived.conf` as a tree of statements.
//!
//! A statement is a line of words, perhaps followed by a block in braces, whose
//! opening one may stand on the next line. `#` and `!` begin a comment. Variables
//! (`$NAME=value`, then `$NAME` or `${NAME}`) are replaced where they are defined
//! on one line. Files that are included stand where their `include` does.

use std::path::{Path, PathBuf};

use winnow::ascii::space0;
use winnow::combinator::{alt, delimited, opt, preceded, repeat, terminated};
use winnow::prelude::*;
use winnow::token::{one_of, rest, take_till};

use super::Unreadable;
use super::include::Read;

/// A line of words with the block that belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Statement {
    /// Which of the files it is of.
    pub(super) file: usize,
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

/// How deep files may include others: as many as keepalived opens at a time.
const DEEPEST: usize = 32;

/// Where included files come from: the directory of the file that names them, and
/// the pattern.
pub(super) type Follow<'a> = &'a dyn Fn(&Path, &str) -> Vec<Read>;

/// Statements being read.
pub(super) struct Reader<'a> {
    follow: Follow<'a>,
    variables: Vec<(String, String)>,
    /// The statements of each block that is open.
    open: Vec<Vec<Statement>>,
    /// Where those blocks began.
    begun: Vec<(usize, usize)>,
    /// Every file, the first included by none.
    files: Vec<PathBuf>,
    depth: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(follow: Follow<'a>) -> Self {
        Self {
            follow,
            variables: Vec::new(),
            open: vec![Vec::new()],
            begun: Vec::new(),
            files: Vec::new(),
            depth: 0,
        }
    }

    /// Reads every statement, and which files they are of.
    pub(super) fn read(
        mut self,
        path: &Path,
        text: &str,
    ) -> Result<(Vec<Statement>, Vec<PathBuf>), Unreadable> {
        self.lines(path, text)?;
        match self.begun.first() {
            Some(place) => Err(self.unreadable(*place, "{ without }")),
            None => Ok((self.open.pop().unwrap_or_default(), self.files)),
        }
    }

    fn unreadable(&self, (file, line): (usize, usize), text: &'static str) -> Unreadable {
        let file = self.files.get(file).cloned().unwrap_or_default();
        Unreadable { file, line, text }
    }

    fn lines(&mut self, path: &Path, text: &str) -> Result<(), Unreadable> {
        let file = self.files.len();
        self.files.push(path.to_owned());
        for (line, text) in (1..).zip(text.lines()) {
            let place = (file, line);
            let text = expand(text, &self.variables);
            if let Some(variable) = definition(&text) {
                self.variables.push(variable);
                continue;
            }
            let Some(tokens) = tokens(&text) else {
                return Err(self.unreadable(place, "a quotation that does not end"));
            };
            self.line(place, tokens)?;
            if let Some(pattern) = self.included(place) {
                self.include(path, &pattern, place)?;
            }
        }
        Ok(())
    }

    fn line(&mut self, place: (usize, usize), tokens: Vec<Token>) -> Result<(), Unreadable> {
        let mut words = Vec::new();
        for token in tokens {
            match token {
                Token::Word(word) => words.push(word),
                Token::Open => {
                    self.finish(place, &mut words);
                    self.begun.push(place);
                    self.open.push(Vec::new());
                }
                Token::Close => {
                    self.finish(place, &mut words);
                    let block = self.open.pop().filter(|_| self.begun.pop().is_some());
                    let block = block.ok_or_else(|| self.unreadable(place, "} without {"))?;
                    let owner = self.open.last_mut().and_then(|outer| outer.last_mut());
                    match owner {
                        Some(owner) => owner.block = block,
                        None => return Err(self.unreadable(place, "a block of nothing")),
                    }
                }
            }
        }
        self.finish(place, &mut words);
        Ok(())
    }

    /// Ends the statement that these words are, if they are any.
    fn finish(&mut self, (file, line): (usize, usize), words: &mut Vec<String>) {
        if let (Some(block), false) = (self.open.last_mut(), words.is_empty()) {
            block.push(Statement {
                file,
                line,
                words: std::mem::take(words),
                block: Vec::new(),
            });
        }
    }

    /// What the line that was read last includes.
    fn included(&self, (file, line): (usize, usize)) -> Option<String> {
        let last = self.open.last()?.last()?;
        let is_it = (last.file, last.line) == (file, line) && last.key() == "include";
        is_it.then(|| last.argument(1).unwrap_or_default().to_owned())
    }

    /// Puts files in the place of the statement; one that names none stays, to be
    /// told.
    fn include(
        &mut self,
        path: &Path,
        pattern: &str,
        place: (usize, usize),
    ) -> Result<(), Unreadable> {
        if self.depth == DEEPEST {
            return Err(self.unreadable(place, "files that include each other"));
        }
        let directory = path.parent().unwrap_or(Path::new(""));
        let files = (self.follow)(directory, pattern);
        if let (false, Some(block)) = (files.is_empty(), self.open.last_mut()) {
            block.pop();
        }
        self.depth += 1;
        for (path, text) in files {
            self.lines(&path, &text)?;
        }
        self.depth -= 1;
        Ok(())
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

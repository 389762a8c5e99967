//! Shell text as the commands that it holds: enough of the language for the scripts of
//! administrators, which say in a few lines what is to be done.
//!
//! Nothing is run. Every branch counts, and a variable has the value that was assigned
//! to it last; one that the text does not know stays as it is written (`$1`). A value of
//! several words, as of a loop, gives a word for each of them.

mod words;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use words::{Piece, Reader};

use super::function::Function;

/// A simple command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Command {
    /// The lines that it is on, from 1.
    pub(super) lines: RangeInclusive<usize>,
    /// Its words, values filled in.
    pub(super) words: Vec<String>,
    /// The files that its output goes to.
    pub(super) outputs: Vec<String>,
}

/// What the variables are.
pub(super) type Variables = BTreeMap<String, String>;

/// A text as it was understood.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Script {
    /// Its commands, in order; assignments and the words of loops and cases are none.
    pub(super) commands: Vec<Command>,
    /// Its functions.
    pub(super) functions: Vec<Function>,
}

/// Words that only say when the command after them is run.
const KEYWORDS: [&str; 13] = [
    "if", "then", "else", "elif", "fi", "while", "until", "do", "done", "{", "}", "!", "esac",
];

/// Commands whose arguments may be assignments.
const DECLARATIONS: [&str; 5] = ["export", "readonly", "local", "declare", "typeset"];

/// Understands a text. `read` gives the text of a file that is to be read in its place
/// (`. /etc/sysconfig/lvs`): only its variables count here.
pub(super) fn parse(text: &str, read: &dyn Fn(&str) -> Option<String>) -> Script {
    let mut script = Script::default();
    understand(text, read, &mut Variables::new(), &mut script);
    script
}

fn understand(
    text: &str,
    read: &dyn Fn(&str) -> Option<String>,
    variables: &mut Variables,
    script: &mut Script,
) {
    let mut reader = Reader::new(text);
    let mut open = Open::default();
    // What `|` has ended since the last command of another kind.
    let mut piped = 0;
    while let Some(piece) = reader.next(variables) {
        match piece {
            Piece::Words(words) => {
                script.body_begins(reader.lines().0);
                open.add(words, reader.lines());
            }
            Piece::Output(words) => open.outputs.extend(words),
            Piece::Function => script.define(std::mem::take(&mut open), reader.lines().0),
            Piece::Pattern => {
                open = Open::default();
                let commands = script.commands.len();
                script
                    .commands
                    .truncate(commands - std::mem::take(&mut piped));
            }
            Piece::End | Piece::Pipe => {
                let before = script.commands.len();
                if reader.opened_group() {
                    script.body_begins(reader.lines().0);
                }
                let command = std::mem::take(&mut open).close();
                let command = command.and_then(|it| script.take_head(it));
                if let Some(command) = command.and_then(|it| assign(it, variables)) {
                    include(&command, read, variables);
                    script.commands.push(command);
                }
                piped = match piece {
                    Piece::Pipe => piped + script.commands.len() - before,
                    _ => 0,
                };
            }
        }
    }
    let command = open.close();
    script
        .commands
        .extend(command.and_then(|it| assign(it, variables)));
}

impl Script {
    /// `start()`, whose name has just been read.
    fn define(&mut self, open: Open, line: usize) {
        // `function start()`, too, and `then start()`.
        self.functions
            .extend(open.words.into_iter().next_back().map(|name| Function {
                name,
                head: line,
                body: 0,
            }));
    }

    /// Something stands on this line: the body of the function before it, if that has none
    /// yet.
    fn body_begins(&mut self, line: usize) {
        if let Some(function) = self.functions.last_mut().filter(|it| it.body == 0) {
            function.body = line;
        }
    }

    /// `function start {`: what is left is the first command of its body.
    fn take_head(&mut self, mut command: Command) -> Option<Command> {
        if command.words.len() < 2 || command.words[0] != "function" {
            return Some(command);
        }
        let head = *command.lines.start();
        let mut rest = command.words.split_off(1).into_iter().peekable();
        let name = rest.next().unwrap_or_default();
        let body = if rest.peek().is_some() { head } else { 0 };
        self.functions.push(Function { name, head, body });
        command.words = rest.skip_while(|word| word == "{").collect();
        (!command.words.is_empty()).then_some(command)
    }
}

/// A command that has not ended yet.
#[derive(Debug, Default)]
struct Open {
    words: Vec<String>,
    outputs: Vec<String>,
    lines: Option<(usize, usize)>,
}

impl Open {
    fn add(&mut self, words: Vec<String>, (first, last): (usize, usize)) {
        let first = self.lines.map_or(first, |(first, _)| first);
        self.lines = Some((first, last));
        self.words.extend(words);
    }

    fn close(self) -> Option<Command> {
        let (first, last) = self.lines?;
        let keyword = |word: &&String| KEYWORDS.contains(&word.as_str());
        let keywords = self.words.iter().take_while(keyword).count();
        let words: Vec<_> = self.words.into_iter().skip(keywords).collect();
        (!words.is_empty()).then_some(Command {
            lines: first..=last,
            words,
            outputs: self.outputs,
        })
    }
}

/// Takes the assignments out of a command, and the head of a loop or case; none is left
/// if it was nothing else.
fn assign(mut command: Command, variables: &mut Variables) -> Option<Command> {
    let words = command.words;
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["for", name, "in", ref values @ ..] => {
            variables.insert(name.to_owned(), values.join(" "));
            return None;
        }
        ["for" | "case" | "select", ..] => return None,
        _ => {}
    }
    let declares = DECLARATIONS.contains(&words[0].as_str());
    let mut rest = words
        .into_iter()
        .skip(usize::from(declares))
        .skip_while(|word| declares && word.starts_with('-'))
        .peekable();
    while let Some((name, value)) = rest.peek().and_then(|word| assignment(word)) {
        variables.insert(name.to_owned(), value.to_owned());
        rest.next();
    }
    command.words = rest.collect();
    (!declares && !command.words.is_empty()).then_some(command)
}

fn assignment(word: &str) -> Option<(&str, &str)> {
    let (name, value) = word.split_once('=')?;
    let name = name.strip_suffix('+').unwrap_or(name);
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '_';
    (name.starts_with(|c: char| !c.is_ascii_digit()) && name.chars().all(legal))
        .then_some((name, value))
}

/// Takes over the variables of a file that is read.
fn include(command: &Command, read: &dyn Fn(&str) -> Option<String>, variables: &mut Variables) {
    if let [reads, path, ..] = command.words.as_slice()
        && matches!(reads.as_str(), "." | "source")
        && let Some(text) = read(path)
    {
        // What that file reads in turn is left out: it could be itself.
        understand(&text, &|_| None, variables, &mut Script::default());
    }
}

#[cfg(test)]
mod tests;

//! Functions of a script. A line with the whole of one cannot just become a comment: the
//! script would call what it does not have.

use std::ops::RangeInclusive;

/// A function of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Function {
    /// Its name.
    pub(super) name: String,
    /// The line with its name, from 1.
    pub(super) head: usize,
    /// The line on which its body begins; 0: nothing follows.
    pub(super) body: usize,
}

/// What stands in for the functions, or their bodies, that begin on these lines: it does
/// nothing. None: no such function.
pub(super) fn stub(functions: &[Function], lines: &RangeInclusive<usize>) -> Option<String> {
    let stubs = functions.iter().filter_map(|function| {
        let named = lines.contains(&function.head);
        let begun = lines.contains(&function.body);
        match (named, begun) {
            (true, _) => Some(format!("{}() {{ :; }}", function.name)),
            (false, true) => Some("{ :; }".to_owned()),
            (false, false) => None,
        }
    });
    let stubs: Vec<_> = stubs.collect();
    (!stubs.is_empty()).then(|| stubs.join("; "))
}

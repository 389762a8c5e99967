//! `docs/vrrp-rules.md` against the tests that it names.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// A line of the tables.
struct Rule<'a> {
    id: &'a str,
    /// What shows it obeyed, and what shows it refused.
    shown: [&'a str; 2],
}

fn tree() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rules(text: &str) -> Vec<Rule<'_>> {
    let rows = text.lines().filter(|line| line.starts_with("| "));
    let cells = rows.map(|row| row.trim_matches('|').split('|').map(str::trim));
    cells
        .map(|cells| match cells.collect::<Vec<_>>()[..] {
            [id, _level, _rule, obeyed, refused] => Rule {
                id,
                shown: [obeyed, refused],
            },
            ref other => panic!("not five cells: {other:?}"),
        })
        .filter(|rule| rule.id != "id")
        .collect()
}

/// The functions of every file below `directory`.
fn functions(directory: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            functions(&path, found);
        } else if path.extension().is_some_and(|it| it == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let names = text.split("fn ").skip(1);
            let names = names.filter_map(|rest| rest.split_once('('));
            found.extend(names.map(|(name, _)| name.to_owned()));
        }
    }
}

#[test]
fn the_rules_of_vrrp_name_tests_that_exist_or_the_reason_why_there_is_none() {
    let text = fs::read_to_string(tree().join("docs/vrrp-rules.md")).unwrap();
    let rules = rules(&text);
    let mut known = BTreeSet::new();
    functions(&tree().join("src"), &mut known);
    functions(&tree().join("tests"), &mut known);
    let mut ids = BTreeSet::new();
    let mut tested = 0;
    for Rule { id, shown } in &rules {
        assert!(ids.insert(*id), "{id} is there twice");
        for (cell, of) in shown.iter().zip(["obeyed", "refused"]) {
            if let Some(reason) = cell.strip_prefix("none: ") {
                assert!(!reason.trim().is_empty(), "{id}: no reason");
                println!("{id} ({of}): no test: {reason}");
                continue;
            }
            let tests: Vec<_> = cell.split('`').filter(|it| !it.trim().is_empty()).collect();
            assert!(!tests.is_empty(), "{id} ({of}): neither test nor reason");
            for test in tests {
                assert!(known.contains(test), "{id} ({of}): there is no test {test}");
            }
            tested += 1;
        }
    }
    println!(
        "{} rules, {tested} of {} ways tested",
        rules.len(),
        2 * rules.len()
    );
    assert!(rules.len() > 60, "{} rules", rules.len());
}

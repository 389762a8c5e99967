//! Verdict maps: `ip protocol vmap { vrrp : accept, tcp : drop }` is a rule for each element.

use serde_json::{Value, json};

use super::super::{Rule, Verdict};
use super::{list, matches, unknown, verdict};

/// The rules that a rule with a verdict map stands for; any other stands for itself.
pub(super) fn spread(read: Rule, rule: &Value) -> Vec<Rule> {
    let mut maps = list(&rule["expr"]).iter().filter_map(|it| it.get("vmap"));
    let Some(map) = maps.next() else {
        return vec![read];
    };
    let Value::Array(elements) = &map["data"]["set"] else {
        // A named map of which nothing is printed may accept.
        return vec![Rule {
            verdict: Verdict::Accept,
            ..read
        }];
    };
    let mut others = read.matches.clone();
    // That of the map itself, which the reading of the rule did not understand.
    if let Some(index) = others.iter().position(|it| *it == unknown(true)) {
        others.remove(index);
    }
    let rules = elements.iter().map(|element| {
        let key = element[0].get("elem").map_or(&element[0], |it| &it["val"]);
        let condition = json!({"op": "==", "left": map["key"], "right": key});
        let named = element[1].as_object().and_then(|it| it.iter().next());
        let mut own = match key.as_str() {
            Some("*") => vec![],
            _ => matches(&condition),
        };
        own.extend(others.iter().cloned());
        Rule {
            matches: own,
            verdict: named
                .and_then(|(kind, value)| verdict(kind, value))
                .unwrap_or(Verdict::Accept),
            ..read.clone()
        }
    });
    rules.collect()
}

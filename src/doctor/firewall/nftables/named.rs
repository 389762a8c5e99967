//! Named sets and maps: a rule has only their name, their elements are printed apart.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{list, text};

/// The elements by family, table and name.
pub(super) struct Named(BTreeMap<[String; 3], Value>);

impl Named {
    /// Those of a whole output.
    pub(super) fn of(objects: &[Value]) -> Self {
        let sets = objects
            .iter()
            .filter_map(|it| it.get("set").or_else(|| it.get("map")));
        let known = sets.map(|set| {
            let elements = json!({ "set": list(&set["elem"]) });
            (key(set, text(&set["name"])), elements)
        });
        Self(known.collect())
    }

    /// A rule with the elements in the place of the names, where they are known.
    pub(super) fn spelt_out(&self, rule: &Value) -> Value {
        let mut spelt = rule.clone();
        let expressions = spelt["expr"].as_array_mut();
        for expression in expressions.into_iter().flatten() {
            for (kind, side) in [("match", "right"), ("vmap", "data")] {
                let value = expression.get_mut(kind).and_then(|it| it.get_mut(side));
                let Some(value) = value else { continue };
                let name = text(value).strip_prefix('@');
                if let Some(elements) = name.and_then(|it| self.0.get(&key(rule, it))) {
                    *value = elements.clone();
                }
            }
        }
        spelt
    }
}

fn key(object: &Value, name: &str) -> [String; 3] {
    [text(&object["family"]), text(&object["table"]), name].map(str::to_owned)
}

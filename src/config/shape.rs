//! Values of the wrong kind, in the words of a file instead of serde's.

/// What is wrong with the value of the key at `path`, and the way out.
pub(super) fn told(said: &str, path: &str) -> (String, String) {
    let (wrong, expected) = said.split_once(", expected ").unwrap_or((said, ""));
    if wrong.starts_with("unknown field") {
        return ("unknown key".to_owned(), known_keys(expected));
    }
    let wrong = wrong.trim_start_matches("invalid type: ");
    let wrong = match wrong.trim_start_matches("invalid value: ") {
        "map" => "a table",
        "sequence" => "a list",
        other => other,
    };
    if expected.is_empty() {
        let mend = "see `lvsd config show` for the keys";
        return (wrong.to_owned(), mend.to_owned());
    }
    let key = path.rsplit('.').next().unwrap_or(path);
    (
        format!("{wrong} cannot be used here"),
        format!("write {}", kind(expected, key)),
    )
}

fn known_keys(expected: &str) -> String {
    let keys = expected.trim_start_matches("one of ").replace('`', "");
    match keys.as_str() {
        "" | "there are no fields" => "remove it".to_owned(),
        keys => format!(
            "use one of: {}",
            keys.replace(", ", " ").replace(" or ", " ")
        ),
    }
}

/// What serde expects of a key: it names types of this program, which no file has.
fn kind(expected: &str, key: &str) -> String {
    let plain = match expected {
        "i64" => "a whole number",
        "a boolean" => "true or false",
        "a map" | "map" => "a table, as in { KEY = VALUE }",
        "a sequence" if TABLES.contains(&key) => {
            return format!("a list in brackets, or tables headed [[{key}]]");
        }
        "a sequence" => "a list in brackets, as in [\"VALUE\"]",
        other if other.starts_with("struct ") || other.starts_with("enum ") => {
            return table(key);
        }
        other => other,
    };
    plain.to_owned()
}

/// The keys that are written as tables one below the other.
const TABLES: [&str; 5] = [
    "vrrp",
    "vrrp_group",
    "virtual_server",
    "real_server",
    "backup_server",
];

fn table(key: &str) -> String {
    let example = match key {
        "tunnel" => "type = \"gue\", port = 6080",
        "check" => "type = \"tcp\"",
        "tls" => "ca = \"/etc/ssl/certs/ca.pem\"",
        _ => return format!("a table, as in {key} = {{ KEY = VALUE }}"),
    };
    format!("a table, such as {{ {example} }}")
}

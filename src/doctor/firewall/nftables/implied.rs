//! What an expression says of a packet by being there: a header that is not in the packet
//! has no field, and a rule that looks at one is not met, whatever else it asks.

use serde_json::Value;

use super::super::{Field, protocol};
use super::{family, list, text};

/// The conditions that come with the left side of a match.
pub(super) fn by(left: &Value) -> Vec<Field> {
    let Some((kind, value)) = left.as_object().and_then(|it| it.iter().next()) else {
        return vec![];
    };
    match kind.as_str() {
        "payload" => match text(&value["tunnel"]) {
            "" => by_header(text(&value["protocol"])),
            outer => by_header(outer),
        },
        "exthdr" => by_header("ip6"),
        "ip option" => by_header("ip"),
        "tcp option" => by_header("tcp"),
        "sctp chunk" => by_header("sctp"),
        "dccp option" => by_header("dccp"),
        "&" | "|" | "^" | "<<" | ">>" | "concat" => list(value).iter().flat_map(by).collect(),
        _ => vec![],
    }
}

fn by_header(name: &str) -> Vec<Field> {
    let field = match name {
        // A packet of IP has none.
        "arp" => Some(Field::Family(vec![])),
        "vxlan" | "geneve" => protocol("udp").map(|it| Field::Protocol(vec![it])),
        "gretap" => protocol("gre").map(|it| Field::Protocol(vec![it])),
        "ip" | "ip6" => family(name).map(|it| Field::Family(vec![it])),
        _ => protocol(name).map(|it| Field::Protocol(vec![it])),
    };
    field.into_iter().collect()
}

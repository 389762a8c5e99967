use super::*;

fn printed(mut printer: impl Printer, lines: &[String]) {
    for line in lines {
        printer
            .connection(&connections::parse(line).unwrap())
            .unwrap();
    }
    printer.end().unwrap();
}

fn as_columns(lines: &[String]) -> String {
    let mut out = Vec::new();
    printed(Columns::new(&mut out), lines);
    String::from_utf8(out).unwrap()
}

fn as_json(lines: &[String]) -> serde_json::Value {
    let mut out = Vec::new();
    printed(
        JsonLines {
            out: &mut out,
            any: false,
        },
        lines,
    );
    serde_json::from_slice(&out).unwrap()
}

fn lines() -> Vec<String> {
    [
        "TCP C0A8010A 8888 C0A801C8 0050 C0A80135 0050 ESTABLISHED     898",
        "UDP C0A801C8 0000 C0A801C8 13C4 C0A80135 13C4 NONE              9 sip 4711@example.org",
        "IP  C0A8010A 0000 00000007 0000 C0A80136 0000 NONE           3600",
    ]
    .map(str::to_owned)
    .to_vec()
}

#[test]
fn connections_stand_in_columns() {
    assert_eq!(
        as_columns(&lines()),
        "\
PROTOCOL  EXPIRES  STATE        SOURCE              VIRTUAL             REAL SERVER
tcp         14:58  ESTABLISHED  192.168.1.10:34952  192.168.1.200:80    192.168.1.53:80
udp          0:09  persistent   192.168.1.200       192.168.1.200:5060  192.168.1.53:5060  sip  4711@example.org
ip          60:00  persistent   192.168.1.10        fwmark 7            192.168.1.54:0
"
    );
}

#[test]
fn an_empty_list_is_a_heading_or_an_empty_array() {
    assert_eq!(as_columns(&[]).lines().count(), 1);
    assert_eq!(as_json(&[]), serde_json::json!([]));
}

#[test]
fn json_is_one_array_however_long() {
    let json = as_json(&lines());
    assert_eq!(json[0]["virtual"], "192.168.1.200:80");
    assert_eq!(json[0]["expires_seconds"], 898);
    assert_eq!(json[1]["persistence_data"], "4711@example.org");
    assert_eq!(json[2]["mark"], 7);
    assert_eq!(json[2]["virtual"], serde_json::Value::Null);
    let many: Vec<_> = lines().into_iter().cycle().take(1000).collect();
    assert_eq!(as_json(&many).as_array().unwrap().len(), 1000);
}

#[test]
fn columns_stay_where_they_are_behind_the_first_rows() {
    let many: Vec<_> = lines().into_iter().cycle().take(1000).collect();
    let text = as_columns(&many);
    assert_eq!(text.lines().count(), 1001);
    let column = |line: &str| line.find("192.168.1.10:34952");
    let first = text.lines().nth(1).unwrap();
    let last = text.lines().rfind(|line| line.starts_with("tcp")).unwrap();
    assert_eq!(column(first), column(last));
}

#[test]
fn no_more_rows_are_kept_than_the_columns_need() {
    let mut columns = Columns::new(Vec::new());
    let line = &lines()[0];
    for _ in 0..200 {
        columns
            .connection(&connections::parse(line).unwrap())
            .unwrap();
    }
    assert!(columns.sample.is_none() && !columns.out.is_empty());
}

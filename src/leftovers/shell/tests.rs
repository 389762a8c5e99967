use super::*;

fn parsed(text: &str) -> Vec<String> {
    let read = |path: &str| (path == "/etc/vip.conf").then(|| "VIP=10.0.0.1\n".to_owned());
    let script = parse(text, &read);
    let told = |command: &Command| {
        let (first, last) = (command.lines.start(), command.lines.end());
        let outputs: String = command.outputs.iter().map(|to| format!(" >{to}")).collect();
        let place = match first == last {
            true => first.to_string(),
            false => format!("{first}-{last}"),
        };
        format!("{place} {}{outputs}", command.words.join("|"))
    };
    script.commands.iter().map(told).collect()
}

#[test]
fn variables_have_the_values_that_the_text_gives_them() {
    for (text, expected) in [
        (
            "VIP=1.2.3.4\nifconfig lo:0 $VIP up",
            "2 ifconfig|lo:0|1.2.3.4|up",
        ),
        (
            "export VIP='1.2.3.4' N=0; a lo:$N \"${VIP}/32\"",
            "1 a|lo:0|1.2.3.4/32",
        ),
        ("NET=1.2.3\nVIP=${NET}.4\na $VIP", "3 a|1.2.3.4"),
        (
            "a $1 ${X:-5.6.7.8} $(date +%s) `id`",
            "1 a|$1|5.6.7.8|$()|$()",
        ),
        (
            "VIPS=\"1.1.1.1 2.2.2.2\"\na $VIPS/32",
            "2 a|1.1.1.1/32|2.2.2.2/32",
        ),
        (
            "VIPS=(1.1.1.1\n 2.2.2.2)\na ${VIPS[@]}",
            "3 a|1.1.1.1|2.2.2.2",
        ),
        (
            "for vip in 1.1.1.1 2.2.2.2; do a $vip; done",
            "1 a|1.1.1.1|2.2.2.2",
        ),
        (". /etc/vip.conf\na $VIP", "1 .|/etc/vip.conf\n2 a|10.0.0.1"),
        ("a '$VIP' \\$X", "1 a|$VIP|$X"),
    ] {
        assert_eq!(parsed(text).join("\n"), expected, "{text}");
    }
}

#[test]
fn commands_are_told_apart_and_know_their_lines() {
    for (text, expected) in [
        ("a b; c && d || e | f & g", "1 a|b\n1 c\n1 d\n1 e\n1 f\n1 g"),
        ("# a\n\na # b\n", "3 a"),
        ("a \\\n  b\nc", "1-2 a|b\n3 c"),
        ("echo 1 >/proc/x 2>&1", "1 echo|1 >/proc/x"),
        (
            "echo \"1\" > /proc/x; b >>y 2>/dev/null </z",
            "1 echo|1 >/proc/x\n1 b >y >/dev/null",
        ),
        ("a &>/dev/null\nb", "1 a >/dev/null\n2 b"),
        (
            "if [ -x /a ]; then\n  /a start\nfi",
            "1 [|-x|/a|]\n2 /a|start",
        ),
        (
            "case \"$1\" in\nstart)\n  a\n  ;;\n stop|off) b;;\nesac\nc",
            "3 a\n5 b\n7 c",
        ),
        (
            "start() {\n a\n}\nfunction stop {\n b\n}\nstart",
            "2 a\n5 b\n7 start",
        ),
        ("(sleep 5; a) &\nb", "1 sleep|5\n1 a\n2 b"),
        ("cat >/x <<EOF\na b\nEOF\nc", "1 cat >/x\n4 c"),
        ("cat <<-'E'\n\ta\n\tE\nc", "1 cat\n4 c"),
        ("a \"x\ny\"\nb", "1-2 a|x\ny\n3 b"),
        ("a\r\nb\r\n", "1 a\n2 b"),
    ] {
        assert_eq!(parsed(text).join("\n"), expected, "{text}");
    }
    let functions = parse("start() {\n:\n}\nfunction stop {\n:\n}\n", &|_| None).functions;
    let names: Vec<_> = functions.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["start", "stop"]);
    let lines: Vec<_> = functions.iter().map(|it| (it.head, it.body)).collect();
    assert_eq!(lines, [(1, 1), (4, 4)]);
}

#[test]
fn texts_that_are_no_scripts_end() {
    for text in [
        "\"", "'", "$(", "${", "`", "a=(", "<<", ">", "((", "))", "\\", "$", "&>", "<<X\n",
    ] {
        parse(text, &|_| None);
        parse(&format!("{text}\na\n"), &|_| None);
    }
}

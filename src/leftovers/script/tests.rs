use super::*;

/// A host with these files.
struct Files(&'static [(&'static str, &'static str)]);

impl Host for Files {
    fn text(&self, path: &str) -> Option<String> {
        let mut files = self.0.iter();
        let (_, text) = files.find(|(name, _)| *name == path)?;
        Some((*text).to_owned())
    }

    fn script(&self, name: &str) -> Option<(String, String)> {
        let path = match name.starts_with('/') {
            true => name.to_owned(),
            false => format!("/etc/init.d/{name}"),
        };
        let text = self.text(&path)?;
        Some((path, text))
    }

    fn alias(&self, name: &str) -> BTreeSet<IpAddr> {
        let vip = (name == "lo:0").then(|| "10.0.0.1".parse().unwrap());
        vip.into_iter().collect()
    }
}

/// `lvs_dr_rs.sh` as it is handed around.
const SCRIPT: &str = "#/bin/bash\nvip=192.168.1.200\n\
    ifconfig lo:0 $vip broadcast $vip netmask 255.255.255.255 up\n\
    route add -host $vip lo:0\n\
    echo \"1\" >/proc/sys/net/ipv4/conf/lo/arp_ignore\n";

const HOST: Files = Files(&[
    ("/opt/lvs_dr_rs.sh", SCRIPT),
    ("/etc/init.d/realserver", SCRIPT),
    (
        "/opt/boot.sh",
        "mount -a\nip addr add 192.168.1.201/32 dev lo\n",
    ),
    ("/opt/outer.sh", "cd /opt && ./lvs_dr_rs.sh\n"),
    (
        "/opt/self.sh",
        "/opt/self.sh\nip addr add 192.168.1.202/32 dev lo\n",
    ),
    ("/opt/other.sh", "mount -a\n"),
]);

fn told(text: &str) -> Vec<String> {
    let told = |work: Work| {
        let Effect { vips, runs, .. } = work.effect;
        let vips = vips.iter().map(ToString::to_string);
        let parts: Vec<_> = vips.chain(runs).chain(work.among).collect();
        format!(
            "{}-{} {}",
            work.lines.start(),
            work.lines.end(),
            parts.join(" ")
        )
    };
    judge(text, &HOST).work.into_iter().map(told).collect()
}

#[test]
fn the_lines_that_do_the_work_are_told_with_what_they_run() {
    for (text, expected) in [
        (
            "#!/bin/sh\ntouch /x\nsh /opt/lvs_dr_rs.sh\n",
            "3-3 192.168.1.200 /opt/lvs_dr_rs.sh",
        ),
        (
            "service realserver start",
            "1-1 192.168.1.200 /etc/init.d/realserver",
        ),
        ("/opt/outer.sh", "1-1 192.168.1.200 /opt/outer.sh"),
        (
            "[ -x /opt/lvs_dr_rs.sh ] && /opt/lvs_dr_rs.sh start",
            "1-1 192.168.1.200 /opt/lvs_dr_rs.sh",
        ),
        (
            "sleep 5; bash -c 'ip addr add 10.0.0.1/32 dev lo' &",
            "1-1 10.0.0.1",
        ),
        ("ip addr add \\\n 10.0.0.1/32 \\\n dev lo", "1-3 10.0.0.1"),
        ("ifup lo:0", "1-1 10.0.0.1"),
        (
            "/opt/other.sh\nmount -a\n/opt/missing.sh\nservice nginx start",
            "",
        ),
        ("# sh /opt/lvs_dr_rs.sh\necho sh /opt/lvs_dr_rs.sh\n", ""),
    ] {
        assert_eq!(told(text).join("\n"), expected, "{text}");
    }
}

#[test]
fn a_line_that_does_more_or_is_part_of_something_is_not_taken_out_whole() {
    let mine = "ip addr add 10.0.0.1/32 dev lo";
    for (text, mixed) in [
        (format!("mount -a; {mine}"), true),
        (format!("if true; then {mine}; fi"), false),
        (format!("for n in 0; do {mine}; done"), false),
        (format!("if true; then {mine}\nfi"), true),
        (format!("case $1 in\nstart) {mine};;\nesac"), true),
        (format!("start() {{ {mine}; }}"), false),
        (format!("start() {{\n{mine}\n}}"), false),
        (format!("VIP=1; {mine} >/dev/null"), false),
        (format!("ip a | grep -q lo:0 || {mine}"), true),
    ] {
        let verdict = judge(&text, &HOST);
        assert_eq!(verdict.work[0].among.is_some(), mixed, "{text}");
    }
}

#[test]
fn a_script_goes_as_a_whole_only_if_it_does_nothing_else() {
    let init = "VIP=10.0.0.1\n. /etc/rc.d/init.d/functions\ncase \"$1\" in\nstart)\n\
                ifconfig lo:0 $VIP up\nsysctl -p >/dev/null 2>&1\necho OK\n;;\nstop)\n\
                ifconfig lo:0 down\nroute del $VIP >/dev/null 2>&1\n;;\n*)\n\
                echo usage\nexit 1\nesac\nexit 0\n";
    let verdict = judge(init, &HOST);
    assert!(verdict.whole && verdict.undoes, "{verdict:?}");
    assert!(judge(SCRIPT, &HOST).whole);
    assert!(!judge(SCRIPT, &HOST).undoes);
    for more in [
        "mount -a\n",
        "/opt/other.sh\n",
        "echo 1 >/proc/sys/net/ipv4/ip_forward\n",
    ] {
        assert!(!judge(&format!("{SCRIPT}{more}"), &HOST).whole, "{more}");
    }
    assert!(
        !judge("echo hello\n", &HOST).whole,
        "it does nothing of the kind"
    );
}

#[test]
fn scripts_that_are_run_by_others_are_known_to_be_run() {
    let calls = |text| judge(text, &HOST).calls.into_iter().collect::<Vec<_>>();
    assert_eq!(
        calls("/opt/outer.sh"),
        ["/opt/lvs_dr_rs.sh", "/opt/outer.sh"]
    );
    assert_eq!(
        calls("/opt/boot.sh"),
        ["/opt/boot.sh"],
        "some lines of it are told there"
    );
    assert_eq!(told("/opt/boot.sh"), [""; 0]);
    assert_eq!(
        calls("/opt/self.sh"),
        ["/opt/self.sh"],
        "it comes to an end"
    );
}

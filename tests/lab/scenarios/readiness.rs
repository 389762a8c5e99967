//! Directors that follow what agents want, and agents that answer only whom they know.

use std::net::IpAddr;

use crate::lab::lvsd::{DirectorFile, text};
use crate::lab::scenario::scenario;
use crate::lab::site::VIP;
use crate::lab::{Host, Lab, Scenario, Site, eventually, secs, within};

use super::table::balances_onto;

pub(crate) const SCENARIOS: &[Scenario] = &[
    scenario!(a_director_follows_the_weight_of_an_agent_that_wants_a_token_over_tls),
    scenario!(a_director_finds_the_agent_of_an_ipv6_real_server_without_a_word_in_its_file),
];

const RS53: &str = "192.168.1.53:80";
const TOKEN: &str = "/etc/lvsd/agent.token";
const WEIGHT: &str = "/run/lvsd-weight";

/// An agent that takes its weight from a file and answers over TLS to who has the token.
fn agent(rs: &Host) -> String {
    let address: IpAddr = [192, 168, 1, 53].into();
    let identity = rcgen::generate_simple_self_signed([address.to_string()]).unwrap();
    rs.write("/etc/lvsd/agent.pem", &identity.cert.pem());
    rs.write("/etc/lvsd/agent.key", &identity.signing_key.serialize_pem());
    rs.write(WEIGHT, "100\n");
    rs.write(
        "/etc/lvsd/realserver.toml",
        &format!(
            "vips = ['{VIP}']\n[readiness]\ntoken = '3f5c1a9e7d20'\n\
             certificate = '/etc/lvsd/agent.pem'\nkey = '/etc/lvsd/agent.key'\n\
             [readiness.weight]\nsource = 'file'\npath = '{WEIGHT}'\ninterval = '100ms'\n"
        ),
    );
    rs.spawn("lvsd realserver --config /etc/lvsd/realserver.toml");
    identity.cert.pem()
}

fn has_token(director: &Host, token: &str) {
    director.write(TOKEN, &format!("{token}\n"));
    director.run(&format!("chmod 600 {TOKEN}")).ok();
}

fn weighs(director: &Host, weight: u32) {
    let entry = format!("-r {RS53} -g -w {weight}");
    eventually(&format!("53 has weight {weight}"), within(secs(3)), || {
        let table = director.ipvsadm();
        table.lines().any(|line| line.trim_end().ends_with(&entry))
    });
}

fn a_director_follows_the_weight_of_an_agent_that_wants_a_token_over_tls(lab: &Lab) {
    let site = Site::build(lab);
    let (host, rs) = (&site.lvs51, &site.real_servers[0]);
    host.run(&format!("ip addr add {VIP}/32 dev ens192")).ok();
    host.write("/etc/lvsd/ca.pem", &agent(rs));
    has_token(host, "3f5c1a9e7d20");
    let file = DirectorFile::alone()
        .check_key("type", "'readiness'")
        .check_key("token_file", &format!("'{TOKEN}'"))
        .check_key("tls", "{ ca = '/etc/lvsd/ca.pem' }")
        .pool("[]")
        .server_key("real_server", "[{ address = '192.168.1.53', weight = 50 }]");
    let director = host.director(&file);
    weighs(host, 50);

    rs.write(WEIGHT, "40\n");
    weighs(host, 20);
    let server = host.real_server(RS53);
    assert_eq!(server["share_percent"], 40);
    assert_eq!(server["configured_weight"], 50);
    assert_eq!(
        text(&server["reason"]),
        "the check passed; the server wants 40% of its weight"
    );
    lab.say(&host.run("lvsd status").ok());
    rs.write(WEIGHT, "0\n");
    weighs(host, 0);
    assert_eq!(text(&host.real_server(RS53)["health"]), "up");
    rs.write(WEIGHT, "1\n");
    weighs(host, 1);

    has_token(host, "000000000000");
    eventually("53 is down", within(secs(3)), || {
        text(&host.real_server(RS53)["health"]) == "down"
    });
    assert_eq!(
        text(&host.real_server(RS53)["reason"]),
        format!("the agent refuses the token in {TOKEN}")
    );
    balances_onto(host, &[]);
    // The file is read anew: no reload.
    has_token(host, "3f5c1a9e7d20");
    weighs(host, 1);

    // What only this host could mend is said, and costs nobody its traffic.
    host.run(&format!("chmod 644 {TOKEN}")).ok();
    eventually("the log says so", within(secs(3)), || {
        director.log().contains("lets others read or write it")
    });
    weighs(host, 1);
}

fn a_director_finds_the_agent_of_an_ipv6_real_server_without_a_word_in_its_file(lab: &Lab) {
    const VIP6: &str = "2001:db8::200";
    let site = Site::build(lab);
    let (director, rs, client) = (&site.lvs51, &site.real_servers[0], &site.client);
    for (host, last) in [(director, 51), (rs, 53), (client, 10)] {
        host.run(&format!("ip addr add 2001:db8::{last}/64 dev ens192 nodad"))
            .ok();
    }
    rs.spawn(&format!("lvsd realserver --vip {VIP6}"));
    director.write(
        "/etc/lvsd/director.toml",
        &format!(
            "[[vrrp]]\nname = 'VI_6'\ninterface = 'ens192'\nvirtual_router_id = 6\n\
             advert_interval = '100ms'\nvirtual_addresses = ['fe80::6', '{VIP6}']\n\
             [[virtual_server]]\naddress = '[{VIP6}]:80'\nreal_servers = ['2001:db8::53']\n\
             check = {{ type = 'readiness', interval = '200ms', retries = 0 }}\n"
        ),
    );
    director.spawn("lvsd director");
    // On the LAN of its real servers: were it not deprecated, checks would come from it.
    eventually("51 has the VIP", within(secs(10)), || {
        director.has_address(VIP6)
    });
    eventually("53 is in the table", within(secs(10)), || {
        director.balances_onto("[2001:db8::53]:80")
    });
    let counts = client.ask(5, &format!("http://[{VIP6}]/"));
    assert_eq!(counts["I am 53"], 5);
    lab.say(&rs.run("lvsd status").ok());
    rs.run("lvsd realserver drain").ok();
    eventually("it has weight 0", within(secs(5)), || {
        let table = director.ipvsadm();
        table
            .lines()
            .any(|line| line.contains("-r [2001:db8::53]:80 ") && line.contains("-w 0"))
    });
}

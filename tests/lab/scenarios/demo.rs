//! What `make demo` shows.

use crate::lab::scenario::scenario;
use crate::lab::site::VIP;
use crate::lab::{Lab, Scenario, Site};

pub(crate) const SCENARIOS: &[Scenario] = &[scenario!(demo)];

fn demo(lab: &Lab) {
    let site = Site::build(lab);
    lab.say("a site: two directors, three real servers with nginx, a client");
    site.configure_real_servers_by_hand();
    let director = &site.lvs51;
    director
        .run(&format!("ip addr add {VIP}/32 dev ens192"))
        .ok();
    director.run(&format!("ipvsadm -A -t {VIP}:80 -s rr")).ok();
    for last in [53, 54, 55] {
        director
            .run(&format!("ipvsadm -a -t {VIP}:80 -r 192.168.1.{last}:80 -g"))
            .ok();
    }
    let counts = site.client.ask(30, &Site::url());
    lab.say(&format!("30 requests to {VIP} were answered by {counts:?}"));
    assert_eq!(counts.len(), 3, "every real server answers");
}

use super::*;
use crate::lvs::Prefixed;

const VIP: &str = "192.168.1.200";

fn ipip(mss: Mss) -> Method {
    Method::Tunnel {
        tunnel: Tunnel::Ipip,
        local: None,
        mss,
    }
}

fn links() -> Vec<Link> {
    let lo = Link {
        mtu: 65_536,
        ..Link::working(1, "lo")
    };
    vec![lo, Link::working(2, "eth0")]
}

fn route(to: &str, gateway: Option<&str>) -> Route {
    Route {
        table: MAIN,
        to: to.parse::<Prefixed>().unwrap(),
        gateway: gateway.map(|ip| ip.parse().unwrap()),
        interface: 2,
        source: None,
        metric: 0,
        onlink: false,
        advmss: None,
    }
}

fn found() -> Routing {
    Routing {
        routes: [
            route("0.0.0.0/0", Some("192.168.1.1")),
            route("192.168.1.0/24", None),
            route("2001:db8::/64", None),
        ]
        .into(),
        rules: BTreeSet::new(),
    }
}

fn steps(method: &Method, vips: &[&str], found: &Routing) -> Vec<Step> {
    let vips: Vec<_> = vips.iter().map(|vip| vip.parse().unwrap()).collect();
    plan(method, &vips, &links(), found)
}

fn apply(found: &mut Routing, steps: Vec<Step>) {
    for step in steps {
        match step {
            Step::AddRoute(route) => assert!(found.routes.insert(route)),
            Step::DeleteRoute(route) => assert!(found.routes.remove(&route)),
            Step::AddRule(rule) => assert!(found.rules.insert(rule)),
            Step::DeleteRule(rule) => assert!(found.rules.remove(&rule)),
        }
    }
}

#[test]
fn answers_of_the_vip_get_a_copy_of_the_routes_with_segments_that_fit() {
    let steps = steps(&ipip(Mss::Fitting), &[VIP], &found());
    let [
        Step::AddRoute(direct),
        Step::AddRoute(default),
        Step::AddRule(rule),
    ] = &steps[..]
    else {
        panic!("{steps:#?}");
    };
    assert_eq!((direct.advmss, direct.table), (Some(1440), TABLE));
    assert_eq!(direct.to, "192.168.1.0/24".parse().unwrap());
    assert_eq!((default.advmss, default.to.prefix_len), (Some(1440), 0));
    assert_eq!((rule.from, rule.table), (VIP.parse().unwrap(), TABLE));
}

#[test]
fn applying_a_plan_leaves_nothing_to_plan_and_its_undoing_leaves_what_was_there() {
    let before = found();
    let mut now = found();
    for (method, vips) in [
        (ipip(Mss::Fitting), vec![VIP]),
        (
            ipip(Mss::Fixed(1200)),
            vec![VIP, "192.168.1.201", "2001:db8::200"],
        ),
        (ipip(Mss::Fitting), vec![]),
        (ipip(Mss::Fitting), vec!["2001:db8::200"]),
        (ipip(Mss::Untouched), vec![VIP]),
    ] {
        let todo = steps(&method, &vips, &now);
        apply(&mut now, todo);
        assert_eq!(steps(&method, &vips, &now), [], "{method:?} {vips:?}");
    }
    assert_eq!(now, before);
}

#[test]
fn a_route_that_changes_is_changed_in_the_copy() {
    let mut now = found();
    let todo = steps(&ipip(Mss::Fitting), &[VIP], &now);
    apply(&mut now, todo);
    now.routes.remove(&route("0.0.0.0/0", Some("192.168.1.1")));
    now.routes.insert(route("0.0.0.0/0", Some("192.168.1.2")));
    let todo = steps(&ipip(Mss::Fitting), &[VIP], &now);
    assert!(
        matches!(&todo[..], [Step::DeleteRoute(_), Step::AddRoute(_)]),
        "{todo:?}"
    );
}

#[test]
fn each_tunnel_adds_its_own_headers() {
    let gue = Tunnel::Gue {
        port: 6080.try_into().unwrap(),
    };
    for (tunnel, over_ipv6, bytes) in [
        (Tunnel::Ipip, false, 20),
        (Tunnel::Ipip, true, 40),
        (gue, false, 40),
        (Tunnel::Gre { checksum: false }, false, 24),
        (Tunnel::Gre { checksum: true }, false, 28),
    ] {
        assert_eq!(overhead(tunnel, over_ipv6), bytes);
    }
    assert_eq!(advmss(&ipip(Mss::Fitting), Family::Ipv6, 1500), Some(1420));
    assert_eq!(advmss(&ipip(Mss::Fitting), Family::Ipv4, 100), Some(536));
    assert_eq!(advmss(&Method::DirectRoute, Family::Ipv4, 1500), None);
}

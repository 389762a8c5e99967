//! Two directors, a client, and what they go through.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use super::asking::{Asking, respond};
use super::node::{Behind, Fate, Kind, Make, Node};
use super::outage::{Asked, Outage};
use super::pages::Pages;
use crate::lab::bench::chance::Chance;
use crate::lab::lvsd::Pair;
use crate::lab::room::in_net;
use crate::lab::site::VIP;
use crate::lab::wait::{millis, secs};
use crate::lab::{Host, Lab, Site};

/// Priorities of the two.
const PRIORITIES: [u8; 2] = [150, 100];

/// How long the client asks on when a change is over: the former master keeps the address for
/// a moment, and what comes then may fail as well.
const AFTERMATH: Duration = millis(400);

/// The row of a round in which nothing happens, behind those of all changes.
pub(super) const NOTHING: usize = 2 * Fate::ALL.len();

/// Two directors and a client.
pub(super) struct Trio {
    first: Node,
    second: Node,
    site: Vec<Host>,
    client: Host,
    interval: Duration,
    behind: Behind,
}

/// A client that asks.
enum Client {
    Director(Asking),
    RealServers(Pages),
}

impl Trio {
    pub(super) fn build(lab: &Lab, makes: [Make; 2], interval: Duration, behind: Behind) -> Self {
        let (hosts, client, site) = match behind {
            Behind::Director => {
                let pair = Pair::build(lab);
                respond(&pair.lvs51, 51);
                respond(&pair.lvs52, 52);
                ([pair.lvs51, pair.lvs52], pair.client, vec![])
            }
            Behind::RealServers => {
                let site = Site::build(lab);
                site.configure_real_servers_by_hand();
                for host in [&site.lvs51, &site.lvs52] {
                    host.set_sysctl("net.ipv4.vs.sloppy_tcp", 1);
                }
                let real_servers = site.real_servers.to_vec();
                ([site.lvs51, site.lvs52], site.client, real_servers)
            }
        };
        let node = |of: usize| {
            let kind = Kind {
                make: makes[of],
                priority: PRIORITIES[of],
                interval,
                behind,
            };
            let mut node = Node::new(&hosts[of], kind);
            node.start();
            node
        };
        let trio = Self {
            first: node(0),
            second: node(1),
            site,
            client,
            interval,
            behind,
        };
        trio.until("the first is master", || {
            trio.first.holds() && !trio.second.holds()
        });
        trio.rest();
        trio
    }

    /// Every change once, and none; its row, and what the client saw.
    pub(super) fn round(&mut self, chance: &Chance) -> Vec<(usize, Outage)> {
        let mut found = vec![(NOTHING, self.nothing(chance))];
        for (number, fate) in Fate::ALL.into_iter().enumerate() {
            if !self.first.knows(fate) {
                continue;
            }
            found.push((2 * number, self.lose(fate, chance)));
            self.rest();
            found.push((2 * number + 1, self.regain(fate, chance)));
            self.rest();
        }
        found
    }

    /// Nobody is needed any more.
    pub(super) fn end(&self) {
        let directors = [&self.first.host, &self.second.host, &self.client];
        directors.into_iter().chain(&self.site).for_each(Host::die);
    }

    /// What a client sees of the lab itself.
    fn nothing(&self, chance: &Chance) -> Outage {
        let client = self.begin(chance);
        let at = Instant::now();
        thread::sleep(self.interval * 3);
        client.end(at, None)
    }

    /// The first director is disturbed, and the second serves.
    fn lose(&self, fate: Fate, chance: &Chance) -> Outage {
        let client = self.begin(chance);
        let at = Instant::now();
        self.first.suffer(fate);
        let moved = self.wait(fate.names()[0], &self.second, (&client, 52), || true);
        self.first.has_suffered(fate);
        client.end(at, Some((moved, 52)))
    }

    /// The first director takes over again.
    fn regain(&mut self, fate: Fate, chance: &Chance) -> Outage {
        let client = self.begin(chance);
        let at = Instant::now();
        self.first.recover(fate);
        let second_is_gone = || !self.second.holds();
        let moved = self.wait(fate.names()[1], &self.first, (&client, 51), second_is_gone);
        client.end(at, Some((moved, 51)))
    }

    /// Waits until the client takes that director for the holder of the address, and is served;
    /// since when it does.
    fn wait(
        &self,
        what: &str,
        successor: &Node,
        (client, number): (&Client, u8),
        is_over: impl Fn() -> bool,
    ) -> Instant {
        let mut moved_at = None;
        self.until(what, || {
            if moved_at.is_none() && self.client_knows() == Some(number) {
                moved_at = Some(Instant::now());
            }
            moved_at.is_some() && successor.holds() && client.is_answered_by(number) && is_over()
        });
        moved_at.expect("it has moved")
    }

    /// The last octet of the director whose MAC address the client's neighbour table has for the
    /// VIP: MAC addresses of the lab tell the IP address.
    fn client_knows(&self) -> Option<u8> {
        let read = || fs::read_to_string("/proc/thread-self/net/arp").unwrap();
        let table = in_net(self.client.room().net(), read).join().unwrap();
        let entry = table
            .lines()
            .find(|line| line.starts_with(&format!("{VIP} ")))?;
        let mac = entry.split_whitespace().nth(3)?;
        u8::from_str_radix(mac.rsplit(':').next()?, 16).ok()
    }

    /// A client asks, until a moment within the interval.
    fn begin(&self, chance: &Chance) -> Client {
        let client = match self.behind {
            Behind::Director => Client::Director(Asking::begin(&self.client)),
            Behind::RealServers => Client::RealServers(Pages::begin(&self.client)),
        };
        thread::sleep(millis(100) + chance.within(self.interval));
        client
    }

    /// Lets both come to rest: each has heard the other, or been heard.
    fn rest(&self) {
        thread::sleep(self.interval + millis(100));
    }

    fn until(&self, what: &str, mut condition: impl FnMut() -> bool) {
        let limit = secs(30) + 10 * self.interval;
        let begun = Instant::now();
        while !condition() {
            assert!(
                begun.elapsed() < limit,
                "in vain: {what}, adverts each {:?}\n{}\n{}",
                self.interval,
                self.first.log(),
                self.second.log()
            );
            thread::sleep(self.pause());
        }
    }

    /// Between two looks: each takes a whole site's one processor some time, and what clients
    /// see is measured by themselves.
    fn pause(&self) -> Duration {
        match self.behind {
            Behind::Director => millis(2),
            Behind::RealServers => millis(25),
        }
    }
}

impl Client {
    /// Whether that director served last, as far as the client can know.
    fn is_answered_by(&self, number: u8) -> bool {
        match self {
            Self::Director(asking) => asking.is_answered_by(number),
            Self::RealServers(pages) => pages.is_answered(),
        }
    }

    /// Ends asking after a change at that moment; if it was to a director, the client took that
    /// one for the holder from then on.
    fn end(self, at: Instant, successor: Option<(Instant, u8)>) -> Outage {
        thread::sleep(AFTERMATH);
        let asked = match self {
            Self::Director(asking) => asking.end(),
            Self::RealServers(pages) => pages.end(),
        };
        let served = successor.map(|(moved_at, number)| {
            let answers = asked.iter().filter_map(|it: &Asked| it.answer);
            let first = answers
                .filter(|(done, by)| *by == number && *done > at)
                .map(|(done, _)| done)
                .min();
            first.unwrap_or(moved_at) - at
        });
        Outage::of(&asked, served)
    }
}

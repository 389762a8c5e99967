//! Which virtual routers there are: those that hand over on their way out, and
//! those that belong together.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use super::super::REMOVED;
use super::super::instance::Instance;
use super::VrrpThread;
use crate::config::director::VrrpInstance;
use crate::sys::clock;
use crate::vrrp::group::{self, Member, Order};
use crate::vrrp::router::{Claim, Event};

/// How often a group is asked at most before the loop goes on: each answer
/// changes the role of a member, and there are few of these.
const ROUNDS: usize = 16;

impl VrrpThread {
    /// A router that is configured no longer hands over first, and so does one that
    /// became another by its interface, VRID, version or family: what has its name then
    /// begins when it has, so that hooks and events tell one after the other. True: it has
    /// stopped already, and its addresses are not here.
    pub(super) fn retire(
        &mut self,
        now: Instant,
        name: String,
        wanted: &BTreeMap<String, VrrpInstance>,
    ) -> bool {
        let is_replaced = wanted.contains_key(&name);
        if !is_replaced {
            self.influences.remove(&name);
            self.vipless.remove(&name);
        }
        let Some(mut instance) = self.instances.remove(&name) else {
            return false;
        };
        let Some(interface) = self.interfaces.get(instance.interface()) else {
            return false;
        };
        let claim = instance.router().claim();
        instance.stop(now, interface, &mut self.log);
        let has_stopped = instance.has_stopped();
        if !has_stopped {
            let removed = if is_replaced { "" } else { REMOVED };
            self.instances.insert(name + removed, instance);
        }
        has_stopped && claim != Claim::Undecided
    }

    /// Begins to run these; some without addresses that another router has now.
    pub(super) fn add(
        &mut self,
        now: Instant,
        added: BTreeMap<String, VrrpInstance>,
        without_vips: &BTreeSet<String>,
    ) {
        let names: Vec<String> = added.keys().cloned().collect();
        for (name, config) in added {
            self.changed = true;
            let place = (self.made, self.outlet.clone());
            self.made += 1;
            let mut instance = Instance::new(&name, config, now, place);
            if without_vips.contains(&name) {
                instance = instance.without_vips();
            }
            self.instances.insert(name, instance);
        }
        self.want_sockets(now);
        for name in names {
            self.feed_influence(&name);
            self.feed_one(&name, Event::Ready(self.ready));
        }
        self.tell_membership();
        self.tell_links(now, None);
    }

    /// Has every router hand over and stop.
    pub(super) fn shut_down(&mut self) {
        self.stops = true;
        self.successors.clear();
        let now = clock::now();
        for instance in self.instances.values_mut() {
            if let Some(interface) = self.interfaces.get(instance.interface()) {
                instance.stop(now, interface, &mut self.log);
            }
        }
    }

    /// Forgets those that have handed over, and goes on with what has their name.
    pub(super) fn forget_stopped(&mut self) {
        let stopped = self.instances.iter().filter(|(_, it)| it.has_stopped());
        let stopped: Vec<String> = stopped.map(|(name, _)| name.clone()).collect();
        if stopped.is_empty() {
            return;
        }
        self.changed = true;
        let was_succeeded = |name: &&String| self.instances[*name].router().was_succeeded();
        let without_vips = stopped.iter().filter(was_succeeded).cloned().collect();
        self.instances.retain(|name, _| !stopped.contains(name));
        let successors = stopped.into_iter().filter_map(|name| {
            let config = self.successors.remove(&name)?;
            Some((name, config))
        });
        let successors = successors.collect();
        self.add(clock::now(), successors, &without_vips);
    }

    /// Feeds an event to one router, if it is there.
    pub(super) fn feed_one(&mut self, name: &str, event: Event) {
        if let Some(instance) = self.instances.get_mut(name)
            && let Some(interface) = self.interfaces.get(instance.interface())
        {
            instance.handle(clock::now(), event, interface, &mut self.log);
        }
    }

    /// Feeds an event to every router.
    pub(super) fn feed_all(&mut self, event: &Event) {
        let names: Vec<_> = self.instances.keys().cloned().collect();
        for name in names {
            self.feed_one(&name, event.clone());
        }
    }

    /// Feeds an event to a router and all of its group.
    pub(super) fn feed_group(&mut self, name: &str, event: &Event) {
        let group = self.instances.get(name).and_then(Instance::group);
        let members = match group {
            Some(group) => self.members_of(group),
            None => vec![name.to_owned()],
        };
        for member in members {
            self.feed_one(&member, event.clone());
        }
    }

    /// Tells each router whether it belongs to a group.
    pub(super) fn tell_membership(&mut self) {
        let mut told = Vec::new();
        for (name, instance) in &self.instances {
            let order = match instance.group() {
                None => Order::Alone,
                Some(group) => {
                    let members = self.members_of(group);
                    let vrids = members
                        .iter()
                        .filter_map(|name| Some((name.as_str(), self.instances.get(name)?.vrid())));
                    let decides_ties = group::decides_ties(vrids) == Some(name.as_str());
                    Order::Member { decides_ties }
                }
            };
            told.push((name.clone(), order));
        }
        for (name, order) in told {
            self.feed_one(&name, Event::Group(order));
        }
    }

    /// Does what groups want of their members, until they want no more.
    pub(super) fn obey_groups(&mut self) {
        let groups = self.instances.values().filter_map(Instance::group);
        let groups: BTreeSet<String> = groups.map(str::to_owned).collect();
        for group in groups {
            for _ in 0..ROUNDS {
                let orders = group::orders(&self.standings(&group));
                if orders.is_empty() {
                    break;
                }
                for (name, order) in orders {
                    self.feed_one(&name, Event::Group(order));
                }
            }
        }
    }

    fn standings(&self, group: &str) -> Vec<Member> {
        let instances = self.instances.iter();
        let members = instances.filter(|(_, instance)| instance.group() == Some(group));
        let members = members.map(|(name, instance)| Member {
            name: name.clone(),
            vrid: instance.vrid(),
            standing: instance.router().standing(),
            shares_fault_of: instance.router().group_fault().map(str::to_owned),
        });
        members.collect()
    }

    fn members_of(&self, group: &str) -> Vec<String> {
        let instances = self.instances.iter();
        let members = instances.filter(|(_, instance)| instance.group() == Some(group));
        members.map(|(name, _)| name.clone()).collect()
    }
}

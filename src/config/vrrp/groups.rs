//! `[[vrrp_group]]`: virtual routers that are master together or not at all.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use toml::{Spanned, Table};

use super::super::director::{DirectorConfig, VrrpInstance};
use super::super::document::Document;
use super::super::show::{Keys, texts};
use super::raw;

/// Puts virtual routers into their groups.
pub(in crate::config) fn read(
    document: &mut Document<'_>,
    raw: &[Spanned<raw::Group>],
    tables: &[Spanned<raw::Vrrp>],
    instances: &mut BTreeMap<String, VrrpInstance>,
) {
    // Those that are wrong have been told of, and are no reason to say more.
    let known = tables.iter().filter_map(|table| {
        let name = table.get_ref().name.as_ref()?;
        Some(name.get_ref().as_str())
    });
    let mut reader = Reader {
        known: known.collect(),
        names: HashMap::new(),
        members: HashMap::new(),
    };
    for table in raw {
        reader.group(document, table, instances);
    }
}

/// What must be there once only, and where it was seen first.
struct Reader<'a> {
    known: Vec<&'a str>,
    names: HashMap<&'a str, Range<usize>>,
    members: HashMap<&'a str, Range<usize>>,
}

impl<'a> Reader<'a> {
    fn group(
        &mut self,
        document: &mut Document<'_>,
        table: &'a Spanned<raw::Group>,
        instances: &mut BTreeMap<String, VrrpInstance>,
    ) {
        let raw = table.get_ref();
        let mend = "give it a name, such as \"G_1\"";
        let name = document.require(&table.span(), raw.name.as_ref(), "name", mend);
        let mend = "list the names of its virtual routers, as in [\"VI_1\", \"VI_2\"]";
        let list = document.require(&table.span(), raw.instances.as_ref(), "instances", mend);
        let (Some(name), Some(list)) = (name, list) else {
            return;
        };
        if let Some(first) = self.names.insert(name.get_ref(), name.span()) {
            let message = format!("this name is taken, {}", document.place(&first));
            document.refuse(&name.span(), message, "give each group a name of its own");
        }
        if list.get_ref().len() < 2 {
            let message = "a group has at least two virtual routers";
            document.refuse(&list.span(), message, mend);
        }
        for member in list.get_ref() {
            if self.accepts(document, member)
                && let Some(instance) = instances.get_mut(member.get_ref())
            {
                instance.group = Some(name.get_ref().clone());
            }
        }
        of_one_priority(document, list, instances);
        of_one_mind(document, list, instances);
    }

    fn accepts(&mut self, document: &mut Document<'_>, member: &'a Spanned<String>) -> bool {
        if !self.known.contains(&member.get_ref().as_str()) {
            let mend = format!("use one of: {}", self.known.join(" "));
            document.refuse(&member.span(), "there is no such [[vrrp]]", mend);
            return false;
        }
        if let Some(first) = self.members.insert(member.get_ref(), member.span()) {
            let message = format!("it is in a group already, {}", document.place(&first));
            let mend = "name each virtual router in one group, once";
            document.refuse(&member.span(), message, mend);
            return false;
        }
        true
    }
}

/// Two directors must agree in every LAN on who is better.
fn of_one_priority(
    document: &mut Document<'_>,
    list: &Spanned<Vec<Spanned<String>>>,
    instances: &BTreeMap<String, VrrpInstance>,
) {
    let priority = |name: &Spanned<String>| {
        let instance = instances.get(name.get_ref());
        instance.map(|instance| instance.settings.priority)
    };
    let priorities: Vec<_> = list.get_ref().iter().filter_map(priority).collect();
    if priorities.windows(2).any(|pair| pair[0] != pair[1]) {
        let message = "its virtual routers have different priorities";
        let mend = "give all of them one priority, the same way on every director";
        document.refuse(&list.span(), message, mend);
    }
}

/// One that leaves a lesser master alone keeps all the others from preempting: they
/// are master with it or not at all.
fn of_one_mind(
    document: &mut Document<'_>,
    list: &Spanned<Vec<Spanned<String>>>,
    instances: &BTreeMap<String, VrrpInstance>,
) {
    let preempts = |name: &Spanned<String>| Some(instances.get(name.get_ref())?.settings.preempt);
    let preempt: Vec<_> = list.get_ref().iter().filter_map(preempts).collect();
    if preempt.contains(&true) && preempt.contains(&false) {
        let message = "some of its virtual routers preempt and some do not";
        let mend = "write preempt = false in all of them, or in none";
        document.refuse(&list.span(), message, mend);
    }
}

/// The groups of a configuration, written back.
pub(in crate::config) fn tables(config: &DirectorConfig) -> BTreeMap<String, Table> {
    let mut members: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, instance) in &config.vrrp {
        if let Some(group) = &instance.group {
            members.entry(group).or_default().push(name);
        }
    }
    let tables = members.into_iter().map(|(name, members)| {
        let keys = Keys::default().set_text("name", name);
        (name.to_owned(), keys.set("instances", texts(&members)).0)
    });
    tables.collect()
}

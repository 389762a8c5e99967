//! What scripts must know of the host.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::Survey;
use super::places::{ALIASES, BOOT_SCRIPTS, INIT, INTERFACES, PATH};
use crate::leftovers::address::{self, Part};
use crate::leftovers::script;

impl script::Host for Survey {
    fn text(&self, path: &str) -> Option<String> {
        self.disk.read(path).map(|source| source.text)
    }

    fn script(&self, name: &str) -> Option<(String, String)> {
        let service = name.strip_suffix(".service").unwrap_or(name);
        let init = INIT.iter().map(|place| format!("{place}/{service}"));
        let programs = PATH.iter().map(|place| format!("{place}/{name}"));
        let source = match name.starts_with('/') {
            true => self.disk.read(name),
            false => init.chain(programs).find_map(|path| self.disk.read(&path)),
        }?;
        // Each of these is looked at by itself.
        let is_boot_script = || {
            let mut scripts = BOOT_SCRIPTS.iter();
            scripts.any(|path| {
                self.disk
                    .read(path)
                    .is_some_and(|it| it.path == source.path)
            })
        };
        (!is_boot_script()).then_some((source.path, source.text))
    }

    fn alias(&self, alias: &str) -> BTreeSet<IpAddr> {
        let files = ALIASES.iter().map(|place| format!("{place}/ifcfg-{alias}"));
        let files = files.filter_map(|path| self.disk.read(&path));
        let mut vips: BTreeSet<_> = files
            .flat_map(|source| address::ifcfg(&source.text).parts)
            .flat_map(|part| part.vips)
            .collect();
        for path in INTERFACES.iter().flat_map(|path| self.files(path)) {
            let text = self.text(&path).unwrap_or_default();
            let stanzas = address::interfaces(&text);
            let parts = stanzas.iter().filter_map(address::Stanza::for_lo);
            let of_alias = |part: &Part| part.text.split_whitespace().nth(1) == Some(alias);
            vips.extend(parts.filter(of_alias).flat_map(|part| part.vips));
        }
        vips
    }
}

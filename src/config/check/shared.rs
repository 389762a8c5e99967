//! What the checks of many real servers have in common, kept once.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::Arc;

use crate::health::{Agent, Page, Timing};

/// What the checks of a file have been found to need so far.
#[derive(Default)]
pub(in crate::config) struct Shared {
    timings: HashSet<Arc<Timing>>,
    pages: HashSet<Arc<Page>>,
    agents: HashSet<Arc<Agent>>,
}

impl Shared {
    pub(super) fn timing(&mut self, timing: Timing) -> Arc<Timing> {
        one(&mut self.timings, timing)
    }

    pub(super) fn page(&mut self, page: Page) -> Arc<Page> {
        one(&mut self.pages, page)
    }

    pub(super) fn agent(&mut self, agent: Agent) -> Arc<Agent> {
        one(&mut self.agents, agent)
    }
}

fn one<T: Eq + Hash>(known: &mut HashSet<Arc<T>>, value: T) -> Arc<T> {
    if let Some(same) = known.get(&value) {
        return Arc::clone(same);
    }
    let new = Arc::new(value);
    known.insert(Arc::clone(&new));
    new
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::director::{DirectorConfig, VirtualServer};
    use crate::health::{Check, Probe};

    /// There are tens of thousands of them.
    #[test]
    fn what_checks_have_in_common_is_kept_once() {
        let config = DirectorConfig::parse(
            Path::new("director.toml"),
            "[[virtual_server]]\naddress = '10.0.0.9:80'\nreal_servers = ['10.0.0.1', '10.0.0.2']\n\
             check = { type = 'http', host = 'www.example.org' }\n\
             [[virtual_server]]\naddress = '10.0.0.9:81'\nreal_servers = ['10.0.0.1', '10.0.0.3']\n\
             check = { type = 'http', host = 'www.example.org' }\n\
             [[virtual_server]]\naddress = '10.0.0.9:82'\nreal_servers = ['10.0.0.1', '10.0.0.2']\n\
             check = { type = 'readiness', interval = '3s' }\n",
        )
        .unwrap();
        let servers = config
            .virtual_servers
            .values()
            .flat_map(VirtualServer::servers);
        let checks: Vec<_> = servers
            .filter_map(|(_, server)| server.check.as_deref())
            .collect();
        let timings: HashSet<_> = checks.iter().map(|it| Arc::as_ptr(&it.timing)).collect();
        let pages = checks.iter().filter_map(|it| match &it.probe {
            Probe::Http { page, .. } => Some(Arc::as_ptr(page)),
            _ => None,
        });
        let agents = checks.iter().filter_map(|it| match &it.probe {
            Probe::Readiness { agent, .. } => Some(Arc::as_ptr(agent)),
            _ => None,
        });
        let found = [
            timings.len(),
            pages.collect::<HashSet<_>>().len(),
            agents.collect::<HashSet<_>>().len(),
        ];
        assert_eq!((checks.len(), found), (6, [2, 1, 1]));
        assert!(size_of::<Check>() <= 56, "{} bytes", size_of::<Check>());
    }
}

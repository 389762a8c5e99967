//! Whether this host can be what the configuration says, and becoming it whole or not
//! at all.

use std::net::IpAddr;

use super::texts;
use crate::config::realserver::{Method, RealServerConfig};
use crate::realserver::agent::Agent;
use crate::realserver::journal::Journal;
use crate::realserver::kernel::{self, Kernel};
use crate::realserver::{Error, gateway, vip};
use crate::sys::clock;

/// Puts the host right for the first time, or leaves it as it was. What somebody else has
/// put right is taken over, if it is to be, once all is right.
pub(in crate::realserver) async fn first_settle(
    config: &RealServerConfig,
    journal: Journal,
    kernel: &mut Kernel,
    adopt: bool,
) -> Result<Agent, Error> {
    let first_start = journal.is_empty();
    let earlier = journal.clone();
    let mut agent = Agent::new(config, journal, clock::now(), clock::wall());
    let mut refusals = refusals(config, kernel, &agent).await?;
    if first_start {
        refusals.extend(ipv6_refusal(config));
    }
    if !refusals.is_empty() {
        return Err(Error::Refused(refusals));
    }
    if !first_start {
        // What failed is a reason not to be ready.
        let _ = kernel.settle(&mut agent).await;
        if adopt {
            agent.adopt(earlier);
            let _ = kernel.settle(&mut agent).await;
        }
    } else if let Err(failure) = settle_first(kernel, &mut agent, adopt.then_some(earlier)).await {
        agent.undo_start();
        let undone = kernel.settle(&mut agent).await;
        return Err(Error::Start(texts([&failure].into_iter().chain(&undone))));
    }
    Ok(agent)
}

async fn settle_first(
    kernel: &mut Kernel,
    agent: &mut Agent,
    adopt: Option<Journal>,
) -> Result<(), kernel::Error> {
    kernel.settle_whole(agent).await?;
    match adopt {
        None => Ok(()),
        Some(earlier) => {
            agent.adopt(earlier);
            kernel.settle_whole(agent).await
        }
    }
}

/// Why the VIPs of a configuration must not be taken as this host is.
pub(super) async fn refusals(
    config: &RealServerConfig,
    kernel: &Kernel,
    agent: &Agent,
) -> Result<Vec<String>, kernel::Error> {
    let observed = kernel.observe(agent).await?;
    let gateways = kernel.gateways().await?;
    let interface = &config.interface;
    let refused = |vip: &IpAddr| {
        let place = vip::locate(*vip, interface, &observed.links, &observed.addresses);
        let gateway = vip::gateway_refusal(*vip, &gateways);
        gateway
            .into_iter()
            .chain(vip::refusals(*vip, interface, &place))
    };
    let unfit = (!config.vips.is_empty())
        .then(|| vip::interface_refusal(interface, &observed.links))
        .flatten();
    let vips = config.vips.iter().flat_map(refused);
    let directors = match &config.method {
        Method::Nat { gateways } => gateway::refusals(gateways, &observed.addresses),
        Method::DirectRoute | Method::Tunnel { .. } => Vec::new(),
    };
    let refusals = unfit.into_iter().chain(vips).chain(directors);
    Ok(refusals.collect())
}

/// Why VIPs of IPv6 cannot be added. Whoever took IPv6 away from a host that serves
/// has not taken away the VIPs of IPv4, so a start after a crash goes on.
pub(super) fn ipv6_refusal(config: &RealServerConfig) -> Option<String> {
    let vip = config.vips.iter().find(|vip| vip.is_ipv6())?;
    let why = vip::ipv6_refusal(&config.interface, kernel::ipv6_is_off)?;
    Some(format!(
        "VIP {vip} cannot be on {}: {why}",
        config.interface
    ))
}

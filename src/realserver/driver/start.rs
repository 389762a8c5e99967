//! Whether this host can be what the configuration says, and becoming it whole or not
//! at all.

use std::net::IpAddr;

use super::texts;
use crate::config::realserver::RealServerConfig;
use crate::realserver::agent::Agent;
use crate::realserver::journal::Journal;
use crate::realserver::kernel::{self, Kernel};
use crate::realserver::{Error, vip};
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
    let refusals = refusals(config, kernel, &agent).await?;
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
        agent.stop();
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
    Ok(unfit.into_iter().chain(vips).collect())
}

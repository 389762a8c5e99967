//! One action, done. What is so already is no failure.

use std::io;
use std::net::IpAddr;
use std::process::{Command, Stdio};

use tracing::{debug, info};

use super::{Error, Kernel, ipv6_is_off};
use crate::lvs::Prefixed;
use crate::realserver::agent::Action;
use crate::realserver::{mss, tunnel, vip};
use crate::status::text::chain;
use crate::sys::address::{NewAddress, Scope};
use crate::sys::fou;

impl Kernel {
    pub(super) async fn perform(&self, action: &Action) -> Result<(), Error> {
        match action {
            Action::Record(journal) => Ok(self.store.save(journal)?),
            Action::WriteSysctl { write, .. } => {
                write.key.write(write.to).map_err(|cause| Error::Sysctl {
                    key: write.key.to_string(),
                    value: write.to,
                    cause,
                })
            }
            Action::AddVip { link, address, .. } => self.add(*link, address).await,
            Action::RemoveVip { link, vip, .. } => self.remove(*link, *vip).await,
            Action::RenewVip { link, address, .. } => {
                self.remove(*link, address.address.address).await?;
                self.add(*link, address).await
            }
            Action::Tunnel(step) => self.dig(step).await,
            Action::Route(step) => self.route(step).await,
        }
    }

    async fn add(&self, link: u32, address: &NewAddress) -> Result<(), Error> {
        match self.netlink.add_address(link, address).await {
            // Somebody was faster; the next round looks at what it is.
            Err(error) if error.is_exists() => Ok(()),
            Err(error) => {
                let vip = address.address.address;
                match self.ipv6_off(link).await.filter(|_| vip.is_ipv6()) {
                    Some(why) => Err(Error::Ipv6Off { vip, why }),
                    None => Err(error.into()),
                }
            }
            Ok(()) => Ok(()),
        }
    }

    /// Why an interface takes no address of IPv6, if that is so. The kernel says
    /// "permission denied".
    async fn ipv6_off(&self, link: u32) -> Option<String> {
        let links = self.netlink.links().await.ok()?;
        let link = links.iter().find(|it| it.index == link)?;
        vip::ipv6_refusal(&link.name, ipv6_is_off)
    }

    async fn remove(&self, link: u32, vip: IpAddr) -> Result<(), Error> {
        let vip = Prefixed::host(vip);
        match self.netlink.delete_address(link, vip).await {
            Err(error) if error.is_not_found() => Ok(()),
            other => Ok(other?),
        }
    }

    async fn dig(&self, step: &tunnel::Step) -> Result<(), Error> {
        match step {
            tunnel::Step::Make(new) => match self.netlink.add_tunnel(new).await {
                // Its module, just loaded, was faster.
                Err(error) if error.is_exists() => Ok(()),
                other => other.map_err(|cause| Error::Tunnel {
                    module: tunnel::module(new.kind),
                    cause: chain(&cause),
                }),
            },
            tunnel::Step::Address { index, .. } => {
                let new = NewAddress {
                    scope: Scope::Host,
                    ..NewAddress::host(tunnel::ADDRESS.into())
                };
                match self.netlink.add_address(*index, &new).await {
                    Err(error) if error.is_exists() => Ok(()),
                    other => Ok(other?),
                }
            }
            tunnel::Step::NoAddress { index, .. } => {
                let address = Prefixed::host(tunnel::ADDRESS.into());
                match self.netlink.delete_address(*index, address).await {
                    Err(error) if error.is_not_found() => Ok(()),
                    other => Ok(other?),
                }
            }
            tunnel::Step::Set { index, up, .. } => {
                Ok(self.netlink.set_link_up(*index, *up).await?)
            }
            tunnel::Step::Delete { index, .. } => match self.netlink.delete_link(*index).await {
                Err(error) if error.is_not_found() => Ok(()),
                other => Ok(other?),
            },
            tunnel::Step::Open(port) => {
                let opened = fou::add_gue(*port).or_else(|error| match error.kind() {
                    io::ErrorKind::NotFound => {
                        load_fou();
                        fou::add_gue(*port)
                    }
                    _ => Err(error),
                });
                opened.map_err(|cause| Error::Gue {
                    what: format!("have the kernel unpack GUE at UDP port {port}"),
                    cause,
                })
            }
            tunnel::Step::Close(port) => fou::delete_gue(*port).map_err(|cause| Error::Gue {
                what: format!("close UDP port {port}"),
                cause,
            }),
        }
    }

    async fn route(&self, step: &mss::Step) -> Result<(), Error> {
        let done = match step {
            mss::Step::AddRoute(route) => self.netlink.add_host_route(route).await,
            mss::Step::DeleteRoute(route) => self.netlink.delete_host_route(route).await,
            mss::Step::AddRule(rule) => self.netlink.add_source_rule(rule).await,
            mss::Step::DeleteRule(rule) => self.netlink.delete_source_rule(rule).await,
        };
        match done {
            Err(error) if error.is_exists() || error.is_not_found() => Ok(()),
            other => Ok(other?),
        }
    }
}

/// Loads the module that unpacks GUE: older kernels do not when asked for it. It
/// needs `CAP_SYS_MODULE`, which `lvsd-realserver.service` does not have.
fn load_fou() {
    let outcome = Command::new("modprobe")
        .arg("fou")
        .stdin(Stdio::null())
        .output();
    match outcome {
        Ok(output) if output.status.success() => info!("loaded the kernel module fou"),
        Ok(output) => {
            let error = String::from_utf8_lossy(&output.stderr);
            debug!(error = error.trim(), "cannot load fou");
        }
        Err(error) => debug!(%error, "cannot run modprobe"),
    }
}

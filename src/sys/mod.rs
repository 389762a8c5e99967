//! Thin wrappers over the operating system. They know nothing of VRRP or IPVS.

pub mod address;
pub mod capability;
pub mod clock;
pub mod command;
pub mod errno;
pub mod fou;
pub mod hop;
pub mod host_route;
pub mod link;
pub mod memory;
pub mod neighbour;
pub mod nftables;
pub mod owners;
pub mod route;
pub mod rtnetlink;
pub mod rule;
pub mod signal;
pub mod socket;
pub mod state_file;
pub mod sysctl;
pub mod systemd;
pub mod tap;
pub mod tcp;
pub mod tell_tale;
pub mod tunnel;
pub mod wakeup;

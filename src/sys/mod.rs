//! Thin wrappers over the operating system. They know nothing of VRRP or IPVS.

pub mod clock;

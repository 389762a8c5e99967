//! (being written)

pub mod vrrp;

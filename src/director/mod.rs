//! (being written)

pub mod vips;
pub mod vrrp;

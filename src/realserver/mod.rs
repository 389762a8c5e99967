//! (being written)

pub mod journal;
pub mod sysctl;
pub mod vip;

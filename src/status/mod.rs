//! What the daemons tell about themselves: one snapshot feeds `lvsd status`, its
//! `--json` and `/metrics`.
//!
//! The types are the JSON: fields are added, never renamed.

pub mod director;
pub mod event;
pub mod metrics;
pub mod realserver;
pub mod text;

//! Files to checked types. Nothing outside this module validates configuration.

pub mod director;
pub mod realserver;

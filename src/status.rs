//! What the daemons tell about themselves, and how people read it.

pub mod realserver;

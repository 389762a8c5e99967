//! The `lvsd` command.
fn main() {}

//! `lvsd realserver` as an administrator meets it: the binary, signals, HTTP,
//! `ip address` and sysctls, each test on a host of its own.

mod adopt;
mod basics;
mod commands;
mod crash;
mod drift;
mod endpoint;
mod host;
mod lan;
mod leaving;
mod lingering;
mod refusals;
mod reload;

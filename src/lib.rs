//! lvsd: Linux Virtual Server directors and real servers from one binary.
//!
//! Dependencies point down only:
//!
//! | layer | modules |
//! |---|---|
//! | the command | [`cli`] |
//! | looking for faults of either role | [`doctor`] |
//! | what older ways of making a real server have left | [`leftovers`] |
//! | the two roles: tasks, threads, order of start and stop | [`director`], [`realserver`] |
//! | input and output | [`config`], [`ipvs::client`], [`health::probe`], [`http`], [`sys`] |
//! | decisions: values and the time in, values out | [`vrrp`], [`health`], [`track`], [`pool`], [`pulse`], [`ipvs::plan`], [`keepalived`] |
//! | what they tell each other | [`status`] |
//! | nouns | [`lvs`] |

pub mod cli;
pub mod config;
pub mod director;
pub mod doctor;
pub mod health;
pub mod http;
pub mod ipvs;
pub mod keepalived;
pub mod leftovers;
pub mod lvs;
pub mod pool;
pub mod pulse;
pub mod realserver;
pub mod status;
pub mod sys;
pub mod track;
pub mod vrrp;

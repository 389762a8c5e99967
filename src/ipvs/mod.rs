//! IP Virtual Server: the table of virtual and real servers, the difference
//! between two tables, and the kernel interface that reads and changes it.
//!
//! | module | what it does |
//! |---|---|
//! | [`sysctl`] | the parameters below `net.ipv4.vs` |
//! | [`table`] | the table: what is wanted, and what the kernel has |
//! | [`plan`] | the ops that turn one table into the other |
//! | [`kernel`] | the table as the kernel reports it, with its counters |
//! | [`daemon`] | the sync daemons, and the steps to those that are wanted |
//! | [`save`] | tables as text, in ipvsadm's format |
//! | [`wire`] | generic netlink attributes to bytes and back |
//! | [`client`] | the socket: dump and apply |
//! | [`connections`] | the kernel's list of connections, line by line |

#[cfg(test)]
mod arbitrary;
#[cfg(test)]
mod captures;
pub mod client;
pub mod connections;
pub mod daemon;
pub mod kernel;
pub mod plan;
pub mod save;
pub mod sysctl;
pub mod table;
pub mod wire;

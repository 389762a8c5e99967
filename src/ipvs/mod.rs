//! IP Virtual Server: the table of virtual and real servers, the difference
//! between two tables, and the kernel interface that reads and changes it.

pub mod client;
pub mod plan;
pub mod table;
pub mod wire;

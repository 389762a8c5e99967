//! lvsd: Linux Virtual Server directors and real servers from one binary.

//! What this process may do, as the kernel says.

/// A capability of `<linux/capability.h>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Capability {
    /// `CAP_NET_ADMIN`: addresses, interfaces, routes, IPVS.
    NetAdmin,
    /// `CAP_NET_RAW`: raw sockets.
    NetRaw,
}

impl Capability {
    /// As administrators call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::NetAdmin => "CAP_NET_ADMIN",
            Self::NetRaw => "CAP_NET_RAW",
        }
    }

    /// Whether it is in the effective set of a `/proc/PID/status`. A text without
    /// one has none.
    pub fn is_in(self, status: &str) -> bool {
        let bit = match self {
            Self::NetAdmin => 12,
            Self::NetRaw => 13,
        };
        status
            .lines()
            .find_map(|line| line.strip_prefix("CapEff:"))
            .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
            .is_some_and(|mask| mask & (1 << bit) != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::Capability::{NetAdmin, NetRaw};

    #[test]
    fn the_capability_is_read_from_the_effective_set() {
        assert!(NetAdmin.is_in("Name:\tlvsd\nCapEff:\t000001ffffffffff\n"));
        assert!(NetAdmin.is_in("CapEff:\t0000000000001000\n"));
        assert!(!NetRaw.is_in("CapEff:\t0000000000001000\n"));
        assert!(NetRaw.is_in("CapEff:\t0000000000002000\n"));
        assert!(!NetAdmin.is_in("CapPrm:\t0000000000001000\nCapEff:\t0000000000000400\n"));
        assert!(!NetAdmin.is_in(""));
    }
}

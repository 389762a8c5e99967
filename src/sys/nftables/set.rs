//! The sets of lvsd's tables.

/// A set. Its elements are addresses, alone or behind something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Set {
    /// Addresses.
    V4,
    V6,
    /// A hardware address and an address.
    LanV4,
    LanV6,
    /// The name of a device and an address.
    TunnelV4,
    TunnelV6,
    /// Addresses of this host.
    OwnV4,
    OwnV6,
}

/// What a set is made with.
struct Make {
    name: &'static str,
    /// By which the messages of one batch know it: no two sets of a table have the same.
    id: u32,
    /// By which `nft` calls the type of its elements. Types of six bits each, one after the
    /// other: `ipv4_addr` 7, `ipv6_addr` 8, `ether_addr` 9, `ifname` 41.
    key_type: u32,
    /// The length of its elements in bytes, each part filled up to a multiple of four.
    key_length: u32,
}

impl Set {
    const ALL: [Self; 8] = [
        Self::V4,
        Self::V6,
        Self::LanV4,
        Self::LanV6,
        Self::TunnelV4,
        Self::TunnelV6,
        Self::OwnV4,
        Self::OwnV6,
    ];

    fn make(self) -> Make {
        let (name, id, key_type, key_length) = match self {
            Self::V4 => ("v4", 1, 7, 4),
            Self::V6 => ("v6", 2, 8, 16),
            Self::LanV4 => ("lan4", 1, 9 << 6 | 7, 8 + 4),
            Self::LanV6 => ("lan6", 2, 9 << 6 | 8, 8 + 16),
            Self::TunnelV4 => ("tunnel4", 3, 41 << 6 | 7, 16 + 4),
            Self::TunnelV6 => ("tunnel6", 4, 41 << 6 | 8, 16 + 16),
            Self::OwnV4 => ("own4", 5, 7, 4),
            Self::OwnV6 => ("own6", 6, 8, 16),
        };
        Make {
            name,
            id,
            key_type,
            key_length,
        }
    }

    pub(super) fn named(name: &[u8]) -> Option<Self> {
        let mut sets = Self::ALL.into_iter();
        sets.find(|set| set.name().as_bytes() == name)
    }

    pub(super) fn name(self) -> &'static str {
        self.make().name
    }

    pub(super) fn id(self) -> u32 {
        self.make().id
    }

    pub(super) fn key_type(self) -> u32 {
        self.make().key_type
    }

    pub(super) fn key_length(self) -> u32 {
        self.make().key_length
    }

    /// The length of its addresses.
    pub(super) fn address_length(self) -> u32 {
        match self {
            Self::V4 | Self::LanV4 | Self::TunnelV4 | Self::OwnV4 => 4,
            Self::V6 | Self::LanV6 | Self::TunnelV6 | Self::OwnV6 => 16,
        }
    }
}

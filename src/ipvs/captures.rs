//! Answers of a Linux 6.1 kernel, as they came from the socket.
//!
//! Its table, as `ipvsadm -Sn` prints it:
//!
//! ```text
//! -A -t 192.168.1.200:80 -s wrr
//! -a -t 192.168.1.200:80 -r 192.168.1.53:80 -g -w 3
//! -a -t 192.168.1.200:80 -r 192.168.1.54:80 -g -w 0
//! -A -u 192.168.1.200:5060 -s mh -p 60 -M 255.255.255.0 --pe sip -b mh-port
//! -A -t [2001:db8::1]:443 -s wlc -p 300 -M 64
//! -a -t [2001:db8::1]:443 -r 192.168.1.53:443 -i -w 1 --tun-type gue --tun-port 6080 --tun-nocsum
//! -a -t [2001:db8::1]:443 -r [2001:db8:1::1]:8443 -m -w 1 -x 1000 -y 800
//! -A -f 7 -s rr
//! ```
//!
//! Another one, for flags and tunnels:
//!
//! ```text
//! -A -t 192.168.1.200:80 -s sh -b sh-fallback,sh-port
//! -A -u 192.168.1.200:53 -s rr -o
//! -A --sctp-service 192.168.1.200:9 -s mh -b flag-3
//! -A -f 7 -6 -s fo -p 60 -M 64
//! ```
//!
//! ```text
//! -A -t 192.168.1.200:80 -s rr
//! -a -t 192.168.1.200:80 -r 192.168.1.53:80 -i -w 1 --tun-type gue --tun-port 6080 --tun-csum
//! -a -t 192.168.1.200:80 -r 192.168.1.54:80 -i -w 1 --tun-type gue --tun-port 6080 --tun-remcsum
//! -a -t 192.168.1.200:80 -r 192.168.1.55:80 -i -w 1 --tun-type gre --tun-csum
//! -a -t 192.168.1.200:80 -r 192.168.1.56:80 -i -w 1 --tun-type gre --tun-nocsum
//! -a -t 192.168.1.200:80 -r [2001:db8::57]:80 -i -w 1 --tun-type ipip
//! ```

use netlink_packet_core::NetlinkMessage;
use netlink_packet_generic::GenlMessage;

use super::wire::Message;

/// The dump of the virtual servers.
pub(super) const VIRTUAL_SERVERS: &str = include_str!("captures/virtual_servers.hex");
/// The dump of the real servers of `-t 192.168.1.200:80`.
pub(super) const REAL_SERVERS_OF_IPV4: &str = include_str!("captures/real_servers_of_ipv4.hex");
/// The dump of the real servers of `-t [2001:db8::1]:443`.
pub(super) const REAL_SERVERS_OF_IPV6: &str = include_str!("captures/real_servers_of_ipv6.hex");
/// The dump of the virtual servers with flags.
pub(super) const WITH_FLAGS: &str = include_str!("captures/virtual_servers_with_flags.hex");
/// The dump of the real servers behind tunnels.
pub(super) const THROUGH_TUNNELS: &str = include_str!("captures/real_servers_through_tunnels.hex");
/// IPVS 1.2.1, connection table of 4096.
pub(super) const INFO: &str = include_str!("captures/info.hex");
/// 900, 120 and 300 seconds.
pub(super) const TIMEOUTS: &str = include_str!("captures/timeouts.hex");
/// A master on `lo` with sync id 7 and a backup on `d1` with sync id 8.
pub(super) const SYNC_DAEMONS: &str = include_str!("captures/sync_daemons.hex");

/// All of them.
pub(super) const ALL: [&str; 8] = [
    VIRTUAL_SERVERS,
    REAL_SERVERS_OF_IPV4,
    REAL_SERVERS_OF_IPV6,
    WITH_FLAGS,
    THROUGH_TUNNELS,
    INFO,
    TIMEOUTS,
    SYNC_DAEMONS,
];

/// The datagram.
pub(super) fn bytes(capture: &str) -> Vec<u8> {
    let digits: Vec<_> = capture.chars().filter_map(|c| c.to_digit(16)).collect();
    let byte = |pair: &[u32]| u8::try_from(pair[0] * 16 + pair[1]).unwrap();
    digits.chunks(2).map(byte).collect()
}

/// Its messages.
pub(super) fn messages(datagram: &[u8]) -> Vec<NetlinkMessage<GenlMessage<Message>>> {
    let mut rest = datagram;
    let mut messages = Vec::new();
    while !rest.is_empty() {
        let message = NetlinkMessage::deserialize(rest).unwrap();
        rest = &rest[usize::try_from(message.header.length).unwrap()..];
        messages.push(message);
    }
    messages
}

/// Its messages without their headers.
pub(super) fn payloads(capture: &str) -> Vec<Message> {
    messages(&bytes(capture))
        .into_iter()
        .map(|message| match message.payload {
            netlink_packet_core::NetlinkPayload::InnerMessage(inner) => inner.payload,
            other => panic!("{other:?}"),
        })
        .collect()
}

//! Whose packets are discarded: what a counter cannot tell.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

use crate::status::director::Rejected;
use crate::vrrp::discard::Discard;

/// So many hosts are remembered, each once for a reason; a flood of forged
/// packets pushes out the eldest and costs no more than any other.
const MOST: usize = 8;

/// A host whose packets were fine, or absent, for so long is news again.
const SILENCE: SignedDuration = SignedDuration::from_secs(60);

/// The hosts whose packets were discarded lately, and why. Whoever reads them
/// holds nobody up: what comes meanwhile is left out here, yet counted.
#[derive(Debug, Default)]
pub struct Rejections(Mutex<Vec<Rejection>>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Rejection {
    source: IpAddr,
    /// The newest one, with its details.
    discard: Discard,
    count: u64,
    last: Timestamp,
}

impl Rejections {
    /// Remembers one, and says whether it is the first of its host and reason,
    /// or the first after a silence. Never waits: what cannot be remembered is
    /// no news.
    pub(super) fn note(&self, now: Timestamp, source: IpAddr, discard: Discard) -> bool {
        if discard == Discard::OwnPacket {
            return false;
        }
        match self.0.try_lock() {
            Ok(mut list) => note(&mut list, now, source, discard),
            Err(_) => false,
        }
    }

    /// The same for people and programs outside. `version` is the one that this
    /// host speaks, if that is known.
    pub(super) fn describe(&self, version: Option<u8>) -> Vec<Rejected> {
        let list = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        list.iter().map(|it| it.describe(version)).collect()
    }
}

fn note(list: &mut Vec<Rejection>, now: Timestamp, source: IpAddr, discard: Discard) -> bool {
    let is_same = |it: &Rejection| it.source == source && it.discard.counter() == discard.counter();
    let known = list
        .iter()
        .position(is_same)
        .map(|index| list.remove(index));
    if list.len() == MOST {
        list.remove(0);
    }
    let is_news = known
        .as_ref()
        .is_none_or(|it| now.duration_since(it.last) >= SILENCE);
    let count = known.map_or(1, |it| it.count + 1);
    list.push(Rejection {
        source,
        discard,
        count,
        last: now,
    });
    is_news
}

/// The reason, with our version where theirs is the matter.
pub(in crate::director) fn in_words(discard: Discard, ours: u8) -> String {
    match discard {
        Discard::Version(_) => format!("{discard}, ours is {ours}"),
        discard => discard.to_string(),
    }
}

impl Rejection {
    fn describe(&self, version: Option<u8>) -> Rejected {
        let text = match version {
            Some(ours) => in_words(self.discard, ours),
            None => self.discard.to_string(),
        };
        Rejected {
            address: self.source,
            reason: self.discard.counter().to_owned(),
            text,
            count: self.count,
            last: self.last,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_secs(second)
    }

    fn peer(last: u8) -> IpAddr {
        IpAddr::from([192, 168, 1, last])
    }

    #[test]
    fn a_host_is_listed_once_for_each_reason_with_the_newest_details() {
        let list = Rejections::default();
        list.note(at(1), peer(52), Discard::AuthPassword);
        list.note(at(2), peer(52), Discard::Version(1));
        list.note(at(3), peer(52), Discard::AuthPassword);
        list.note(at(4), peer(52), Discard::Version(3));
        list.note(at(5), peer(51), Discard::OwnPacket);
        let seen: Vec<_> = list
            .describe(Some(2))
            .into_iter()
            .map(|it| (it.address, it.text, it.count, it.last))
            .collect();
        let expected = [
            (peer(52), "its password is not ours".to_owned(), 2, at(3)),
            (
                peer(52),
                "it is of version 3, ours is 2".to_owned(),
                2,
                at(4),
            ),
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_flood_of_forged_hosts_pushes_out_the_one_heard_longest_ago() {
        let list = Rejections::default();
        list.note(at(0), peer(52), Discard::AuthPassword);
        for n in 100..200 {
            list.note(at(i64::from(n)), peer(n), Discard::Checksum);
            list.note(at(i64::from(n)), peer(52), Discard::AuthPassword);
        }
        let seen = list.describe(None);
        assert_eq!(seen.len(), MOST);
        assert_eq!(
            seen.last().map(|it| (it.address, it.count)),
            Some((peer(52), 101))
        );
    }

    #[test]
    fn a_host_is_news_once_and_again_after_a_minute_of_silence() {
        let list = Rejections::default();
        assert!(list.note(at(0), peer(52), Discard::AuthPassword));
        for second in 1..200 {
            assert!(!list.note(at(second), peer(52), Discard::AuthPassword));
        }
        assert!(list.note(at(200), peer(52), Discard::Version(3)), "why");
        assert!(list.note(at(200), peer(53), Discard::AuthPassword), "who");
        assert!(list.note(at(259), peer(52), Discard::AuthPassword), "since");
    }

    #[test]
    fn a_reader_holds_nobody_up() {
        let list = Rejections::default();
        let reader = list.0.lock().unwrap();
        list.note(at(0), peer(52), Discard::AuthPassword);
        drop(reader);
        assert_eq!(list.describe(None), []);
    }
}

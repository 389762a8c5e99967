//! What is known of the real servers of one pool.

use std::iter::Map;
use std::ops::Index;
use std::{slice, vec};

use super::RealServerId;

/// Values by RIP and port, in the order of these.
///
/// A sorted array, because pools are many and most are small: a B-tree of sixteen
/// servers takes twice their room. One more in the middle of a pool moves those
/// behind it, so many at once are added by [`Extend`], which sorts once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Servers<T>(Vec<(RealServerId, T)>);

type Entry<'a, T> = (&'a RealServerId, &'a T);
type EntryMut<'a, T> = (&'a RealServerId, &'a mut T);
type Iter<'a, T> = Map<slice::Iter<'a, (RealServerId, T)>, fn(&(RealServerId, T)) -> Entry<'_, T>>;
type IterMut<'a, T> =
    Map<slice::IterMut<'a, (RealServerId, T)>, fn(&mut (RealServerId, T)) -> EntryMut<'_, T>>;

impl<T> Servers<T> {
    /// An empty pool.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is known of that one.
    pub fn get(&self, id: &RealServerId) -> Option<&T> {
        let place = self.place(id).ok()?;
        self.0.get(place).map(|(_, value)| value)
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, id: &RealServerId) -> Option<&mut T> {
        let place = self.place(id).ok()?;
        self.0.get_mut(place).map(|(_, value)| value)
    }

    /// Whether that one is among them.
    pub fn contains_key(&self, id: &RealServerId) -> bool {
        self.place(id).is_ok()
    }

    /// Puts one in, and returns what was in its place.
    pub fn insert(&mut self, id: RealServerId, value: T) -> Option<T> {
        match self.place(&id) {
            Ok(place) => {
                let found = self.0.get_mut(place);
                found.map(|(_, old)| std::mem::replace(old, value))
            }
            Err(place) => {
                self.0.insert(place, (id, value));
                None
            }
        }
    }

    /// Takes one out.
    pub fn remove(&mut self, id: &RealServerId) -> Option<T> {
        let place = self.place(id).ok()?;
        Some(self.0.remove(place).1)
    }

    /// Keeps those of which this is true. Where many go their room is given back: old
    /// and new are together for a moment when a pool is replaced.
    pub fn retain(&mut self, mut keep: impl FnMut(&RealServerId, &mut T) -> bool) {
        self.0.retain_mut(|(id, value)| keep(id, value));
        if self.0.capacity() > self.0.len() + self.0.len() / 4 {
            // In a place of its own: a piece cut off the old one would be of no use.
            let kept = std::mem::take(&mut self.0);
            let mut fitting = Vec::with_capacity(kept.len());
            fitting.extend(kept);
            self.0 = fitting;
        }
    }

    /// Each with what is known of it.
    pub fn iter(&self) -> Iter<'_, T> {
        self.0.iter().map(|(id, value)| (id, value))
    }

    /// The same, to be changed.
    pub fn iter_mut(&mut self) -> IterMut<'_, T> {
        self.0.iter_mut().map(|(id, value)| (&*id, value))
    }

    /// Which there are.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &RealServerId> + Clone {
        self.0.iter().map(|(id, _)| id)
    }

    /// What is known of each.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &T> + Clone {
        self.0.iter().map(|(_, value)| value)
    }

    /// The same, to be changed.
    pub fn values_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut T> {
        self.0.iter_mut().map(|(_, value)| value)
    }

    fn place(&self, id: &RealServerId) -> Result<usize, usize> {
        self.0.binary_search_by(|(other, _)| other.cmp(id))
    }
}

impl<T> Default for Servers<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// Of several for one server, the last counts.
impl<T> Extend<(RealServerId, T)> for Servers<T> {
    fn extend<I: IntoIterator<Item = (RealServerId, T)>>(&mut self, more: I) {
        self.0.extend(more);
        if !self.0.is_sorted_by(|(one, _), (next, _)| one < next) {
            // Stable, and quick where one sorted run follows another.
            self.0.sort_by_key(|(id, _)| *id);
            self.0.dedup_by(|later, kept| {
                let same = later.0 == kept.0;
                if same {
                    std::mem::swap(later, kept);
                }
                same
            });
        }
        self.0.shrink_to_fit();
    }
}

impl<T> FromIterator<(RealServerId, T)> for Servers<T> {
    fn from_iter<I: IntoIterator<Item = (RealServerId, T)>>(entries: I) -> Self {
        let mut servers = Self::new();
        servers.extend(entries);
        servers
    }
}

impl<T, const N: usize> From<[(RealServerId, T); N]> for Servers<T> {
    fn from(entries: [(RealServerId, T); N]) -> Self {
        entries.into_iter().collect()
    }
}

impl<T> Index<&RealServerId> for Servers<T> {
    type Output = T;

    fn index(&self, id: &RealServerId) -> &T {
        self.get(id).expect("who indexes knows that it is there")
    }
}

impl<T> IntoIterator for Servers<T> {
    type Item = (RealServerId, T);
    type IntoIter = vec::IntoIter<(RealServerId, T)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a, T> IntoIterator for &'a Servers<T> {
    type Item = Entry<'a, T>;
    type IntoIter = Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'a, T> IntoIterator for &'a mut Servers<T> {
    type Item = EntryMut<'a, T>;
    type IntoIter = IterMut<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter_mut()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn id(number: u16) -> RealServerId {
        RealServerId::from(([10, 0, 0, 1], number))
    }

    fn entries() -> impl Strategy<Value = Vec<(RealServerId, u8)>> {
        prop::collection::vec((0..20u16, any::<u8>()), 0..30)
            .prop_map(|pairs| pairs.into_iter().map(|(n, value)| (id(n), value)).collect())
    }

    #[test]
    fn a_pool_that_was_replaced_takes_no_more_room_than_before() {
        let mut servers: Servers<_> = (0..9).map(|number| (id(number), 0)).collect();
        servers.extend((100..109).map(|number| (id(number), 0)));
        servers.retain(|rip, _| rip.port() >= 100);
        assert_eq!((servers.len(), servers.0.capacity()), (9, 9));
    }

    proptest! {
        #[test]
        fn a_pool_is_what_a_map_of_the_same_entries_is(
            first in entries(),
            more in entries(),
            single in entries(),
            gone in 0..20u16,
        ) {
            let mut model: BTreeMap<_, _> = first.iter().copied().collect();
            let mut servers: Servers<_> = first.into_iter().collect();
            model.extend(more.iter().copied());
            servers.extend(more);
            for (id, value) in single {
                prop_assert_eq!(servers.insert(id, value), model.insert(id, value));
            }
            prop_assert_eq!(servers.remove(&id(gone)), model.remove(&id(gone)));
            model.retain(|_, value| *value % 3 > 0);
            servers.retain(|_, value| *value % 3 > 0);
            for number in 0..20 {
                prop_assert_eq!(servers.get(&id(number)), model.get(&id(number)));
            }
            prop_assert!(servers.keys().eq(model.keys()));
            prop_assert!(servers.into_iter().eq(model));
        }
    }
}

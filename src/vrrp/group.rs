//! Sync groups: virtual routers of one host that are master together or not at all.
//!
//! Each member runs its own election in its own LAN. After whatever happened to
//! one of them, [`orders`] looks at all and says what the others must do:
//!
//! | when | the others |
//! |---|---|
//! | a member is in fault | are in fault too, until it is not |
//! | a member follows a master that outranks it | hand their mastership over |
//! | every member would be master, or is | become it, those that are not |
//!
//! # Two groups never share
//!
//! The members of a group have one priority, so that two directors agree in every
//! LAN on who is better. Where the priorities are equal, addresses decide, and
//! those may differ from LAN to LAN: there the member of the lowest VRID, the same
//! one on both directors, decides for its group, and a master in another LAN waits
//! for that instead of giving up. Where `preempt = false` or a start at the wrong
//! moment left a group in two halves, the half with the greater priority takes the
//! rest.

/// What a group wants of a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Be one of a group from now on.
    Member {
        /// Between equal priorities its LAN decides for the group.
        decides_ties: bool,
    },
    /// Be on your own again.
    Alone,
    /// Share the fault of this member, or nobody's any more.
    Fault(Option<String>),
    /// Be master: all the others are, or become it too.
    Go,
    /// Hand over: this member follows another router.
    StepDown(String),
}

/// What a group must know of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Not taking part, or sharing another one's fault.
    Idle,
    /// In fault by itself.
    Faulty,
    /// A backup that has not waited long enough.
    Listens,
    /// A backup that accepts another router as master.
    Follows(Rank),
    /// A backup that would be master now.
    Ready,
    /// Master, or about to be.
    Serves,
    /// A master that hands over.
    Leaves,
}

/// The master that is followed, compared with the one who follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rank {
    /// It has the greater priority.
    Greater,
    /// It has the same priority.
    Equal,
    /// It has a lesser priority, and is not preempted.
    Less,
    /// It has a lesser priority, and was given mastership on purpose.
    Yielded,
}

/// A member as the group sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Its virtual router identifier.
    pub vrid: u8,
    /// What it does.
    pub standing: Standing,
    /// Whose fault it shares already.
    pub shares_fault_of: Option<String>,
}

/// What each member must be told now. Empty when the group is at rest.
pub fn orders(members: &[Member]) -> Vec<(String, Order)> {
    let faults = share_faults(members);
    let is_faulty = members.iter().any(|it| it.standing == Standing::Faulty);
    if !faults.is_empty() || is_faulty {
        return faults;
    }
    if let Some(follower) = members.iter().find(|it| gives_up(it, members)) {
        let serving = serving(members).filter(|it| it.name != follower.name);
        return serving
            .map(|it| (it.name.clone(), Order::StepDown(follower.name.clone())))
            .collect();
    }
    let goes = |it: &&Member| matches!(it.standing, Standing::Ready | Standing::Serves);
    let takes = |it: &&Member| match it.standing {
        Standing::Ready => members.iter().all(|it| goes(&it)),
        // The rest of the group serves, and this one could.
        Standing::Follows(Rank::Less) => serving(members).next().is_some(),
        _ => false,
    };
    let taking = members.iter().filter(takes);
    taking.map(|it| (it.name.clone(), Order::Go)).collect()
}

/// The member whose LAN decides between equal priorities.
pub fn decides_ties<'a>(members: impl Iterator<Item = (&'a str, u8)>) -> Option<&'a str> {
    let first = members.min_by_key(|(name, vrid)| (*vrid, *name));
    first.map(|(name, _)| name)
}

/// Every member but the one at fault shares the fault.
fn share_faults(members: &[Member]) -> Vec<(String, Order)> {
    let shared = members.iter().filter_map(|member| {
        let mut others = members.iter().filter(|other| other.name != member.name);
        let faulty = others.find(|other| other.standing == Standing::Faulty);
        let wanted = faulty.map(|faulty| faulty.name.clone());
        (member.shares_fault_of != wanted).then(|| (member.name.clone(), Order::Fault(wanted)))
    });
    shared.collect()
}

/// Whether the group must not serve, because this member cannot.
fn gives_up(member: &Member, members: &[Member]) -> bool {
    let all = members.iter().map(|it| (it.name.as_str(), it.vrid));
    let decides = decides_ties(all) == Some(member.name.as_str());
    match member.standing {
        Standing::Follows(Rank::Greater | Rank::Yielded) => true,
        Standing::Follows(Rank::Equal) => decides,
        _ => false,
    }
}

fn serving(members: &[Member]) -> impl Iterator<Item = &Member> {
    let serves = |it: &&Member| it.standing == Standing::Serves;
    members.iter().filter(serves)
}

#[cfg(test)]
mod tests;

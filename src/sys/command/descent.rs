//! Who descends from a program, as far as `/proc` still tells.

use std::collections::HashSet;

/// A process and its kin, as `/proc/PID/stat` has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kin {
    /// Its number.
    pub(super) pid: i32,
    /// Its name, of at most 15 bytes.
    pub(super) name: String,
    /// `R`, `S`, `D`, `T`, `Z` and so on.
    pub(super) state: char,
    /// When it started, in ticks since boot: with its number, which is used
    /// again, this tells it from every other process.
    pub(super) started: u64,
    parent: i32,
    session: i32,
    threads: u32,
}

impl Kin {
    /// Understands the line, whose name may hold anything, parentheses too.
    pub(super) fn parse(stat: &str) -> Option<Self> {
        let (pid, rest) = stat.split_once(" (")?;
        let (name, rest) = rest.rsplit_once(") ")?;
        // Counted from the third of proc_pid_stat(5), the state.
        let mut fields = rest.split_ascii_whitespace();
        Some(Self {
            pid: pid.parse().ok()?,
            name: name.to_owned(),
            state: fields.next()?.chars().next()?,
            parent: fields.next()?.parse().ok()?,
            session: fields.nth(1)?.parse().ok()?,
            threads: fields.nth(13)?.parse().ok()?,
            started: fields.nth(1)?.parse().ok()?,
        })
    }

    /// Whether it has ended, and waits to be reaped: all of its threads have.
    pub(super) fn has_ended(&self) -> bool {
        matches!(self.state, 'Z' | 'X') && self.threads <= 1
    }

    /// Whether it can start nothing before it is sent a signal.
    pub(super) fn is_still(&self) -> bool {
        self.has_ended() || matches!(self.state, 'T' | 't')
    }
}

/// The leader of a session of its own and what descends from it: its children and
/// theirs, whatever group or session they are in, and whoever is in a session that
/// one of them is in. Sessions are only ever begun, never joined, so each of these
/// was begun by a descendant. So does whoever `is_marked`, and what descends from it.
pub(super) fn of(leader: i32, all: &[Kin], is_marked: impl Fn(&Kin) -> bool) -> Vec<&Kin> {
    let mut pids = HashSet::from([leader]);
    let mut sessions = HashSet::from([leader]);
    spread(&mut pids, &mut sessions, all);
    let strangers = all.iter().filter(|kin| !pids.contains(&kin.pid));
    let marked: Vec<_> = strangers.filter(|kin| is_marked(kin)).collect();
    pids.extend(marked.iter().map(|kin| kin.pid));
    spread(&mut pids, &mut sessions, all);
    all.iter().filter(|kin| pids.contains(&kin.pid)).collect()
}

/// Adds the children of these, who is in these sessions, and so on.
fn spread(pids: &mut HashSet<i32>, sessions: &mut HashSet<i32>, all: &[Kin]) {
    loop {
        let before = (pids.len(), sessions.len());
        for kin in all {
            if pids.contains(&kin.pid)
                || pids.contains(&kin.parent)
                || sessions.contains(&kin.session)
            {
                pids.insert(kin.pid);
                sessions.insert(kin.session);
            }
        }
        if before == (pids.len(), sessions.len()) {
            break;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kin(pid: i32, parent: i32, session: i32) -> Kin {
        let stat = format!("{pid} (a) S {parent} {pid} {session} 0 -1");
        let stat = stat + &" 7".repeat(20);
        Kin::parse(&stat).unwrap()
    }

    #[test]
    fn a_line_of_the_kernel_is_understood_whatever_the_name() {
        let rest = "34816 70 4194304 1 2 3 4 5 6 7 8 20 0 2 0 987654 10 11 12";
        let kin = Kin::parse(&format!("70 (a) S (b) T 60 50 40 {rest}")).unwrap();
        assert_eq!((kin.pid, kin.parent, kin.session), (70, 60, 40));
        assert_eq!((kin.name.as_str(), kin.started), ("a) S (b", 987_654));
        assert!(kin.is_still() && !kin.has_ended());
        let zombie = |threads| {
            let rest = rest.replace(" 0 2 0 ", &format!(" 0 {threads} 0 "));
            Kin::parse(&format!("70 (a) Z 60 50 40 {rest}")).unwrap()
        };
        assert!(zombie(1).has_ended() && zombie(1).is_still());
        assert!(!zombie(2).has_ended(), "one of its threads lives on");
        assert_eq!(Kin::parse("70 (a) S 60"), None);
        assert_eq!(Kin::parse(""), None);
    }

    #[test]
    fn children_their_sessions_and_who_is_in_these_descend_and_nobody_else() {
        // Parents after their children: numbers wrap around.
        let all = [
            kin(9, 8, 8),   // in the session that a grandchild has begun
            kin(20, 1, 8),  // its parent there has ended
            kin(8, 101, 8), // a grandchild with a session of its own
            kin(101, 100, 100),
            kin(100, 50, 100), // the leader
            kin(30, 1, 100),   // an orphan of the leader's session
            kin(31, 30, 31),   // an orphan's child, away in a session of its own
            kin(50, 1, 50),    // lvsd
            kin(60, 50, 60),   // another of its programs
            kin(70, 1, 70),    // detached twice: nobody's child
            kin(71, 70, 71),   // and what that began
            kin(1, 0, 1),
        ];
        let found = |marked: i32| -> Vec<i32> {
            let found = of(100, &all, |kin| kin.pid == marked);
            found.iter().map(|kin| kin.pid).collect()
        };
        assert_eq!(found(0), [9, 20, 8, 101, 100, 30, 31]);
        assert_eq!(found(70), [9, 20, 8, 101, 100, 30, 31, 70, 71]);
        assert!(of(999, &all, |_| false).is_empty());
    }
}

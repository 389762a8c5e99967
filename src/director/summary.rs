//! The line that `systemctl status` shows of a director.

/// So many virtual routers are named; more are counted.
const NAMED: usize = 3;

/// What the line is made of.
#[derive(Debug, Default)]
pub(super) struct Summary {
    /// Each virtual router with its state.
    pub(super) routers: Vec<(String, String)>,
    /// How many real servers are up.
    pub(super) up: usize,
    /// How many there are.
    pub(super) real_servers: usize,
    /// Whether the newest file was refused.
    pub(super) refused: bool,
    /// How much the kernel refuses.
    pub(super) refusals: usize,
}

impl Summary {
    /// Such as `VI_1 master; 2 of 3 real servers up`.
    pub(super) fn line(&self) -> String {
        let mut parts = Vec::new();
        if self.refused {
            parts.push("THE NEWEST FILE IS REFUSED".to_owned());
        }
        if self.refusals > 0 {
            parts.push(format!("THE KERNEL REFUSES {}", self.refusals));
        }
        match self.routers.as_slice() {
            [] => {}
            few if few.len() <= NAMED => {
                parts.extend(few.iter().map(|(name, state)| format!("{name} {state}")));
            }
            many => {
                let master = many.iter().filter(|(_, state)| state == "master").count();
                parts.push(format!("master of {master} of {} routers", many.len()));
            }
        }
        if self.real_servers > 0 {
            parts.push(format!(
                "{} of {} real servers up",
                self.up, self.real_servers
            ));
        }
        parts.join("; ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routers(states: &[&str]) -> Vec<(String, String)> {
        let named = states.iter().enumerate();
        named
            .map(|(n, state)| (format!("VI_{}", n + 1), (*state).to_owned()))
            .collect()
    }

    #[test]
    fn a_small_site_is_told_by_name() {
        let summary = Summary {
            routers: routers(&["master", "backup"]),
            up: 2,
            real_servers: 3,
            ..Summary::default()
        };
        assert_eq!(
            summary.line(),
            "VI_1 master; VI_2 backup; 2 of 3 real servers up"
        );
    }

    #[test]
    fn a_large_site_is_counted() {
        let summary = Summary {
            routers: routers(&["master", "backup", "fault", "master"]),
            ..Summary::default()
        };
        assert_eq!(summary.line(), "master of 2 of 4 routers");
    }

    #[test]
    fn a_refused_file_comes_first() {
        let summary = Summary {
            routers: routers(&["backup"]),
            refused: true,
            ..Summary::default()
        };
        assert_eq!(summary.line(), "THE NEWEST FILE IS REFUSED; VI_1 backup");
        let summary = Summary {
            refused: false,
            refusals: 2,
            ..summary
        };
        assert_eq!(summary.line(), "THE KERNEL REFUSES 2; VI_1 backup");
    }
}

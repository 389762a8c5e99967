//! Sync daemons: dump, start and stop.

use std::net::IpAddr;

use netlink_packet_core::DecodeError;

use crate::ipvs::daemon::{DEFAULT_GROUP, DEFAULT_PORT, DEFAULT_TTL, Daemon, Daemons, Op, Role};
use crate::ipvs::wire::{
    Attribute, Command, DaemonAttribute, IP_VS_STATE_BACKUP, IP_VS_STATE_MASTER, Message,
};

use super::{Client, Error, request};

impl Client {
    /// The sync daemons that run in this network namespace.
    pub fn daemons(&mut self) -> Result<Daemons, Error> {
        let mut daemons = Daemons::new();
        self.dump_each(
            "read the sync daemons",
            &request::plain(Command::GetDaemon),
            |message| {
                daemons.extend(report(message)?);
                Ok(())
            },
        )?;
        Ok(daemons)
    }

    /// Starts or stops a sync daemon. The kernel starts no second one of a role,
    /// and none on an interface that is not there.
    pub fn change_daemon(&mut self, op: &Op) -> Result<(), Error> {
        let (doing, request) = match op {
            Op::Start(role, daemon) => ("start the sync daemon", start(*role, daemon)),
            Op::Stop(role) => ("stop the sync daemon", stop(*role)),
        };
        self.order(doing, request)
    }
}

fn state(role: Role) -> u32 {
    match role {
        Role::Master => IP_VS_STATE_MASTER,
        Role::Backup => IP_VS_STATE_BACKUP,
    }
}

fn of_daemon(command: Command, daemon: Vec<DaemonAttribute>) -> Message {
    Message {
        command,
        attributes: vec![Attribute::Daemon(daemon)],
    }
}

/// Asks to start a daemon.
fn start(role: Role, daemon: &Daemon) -> Message {
    let mut attributes = vec![
        DaemonAttribute::State(state(role)),
        DaemonAttribute::Interface(daemon.interface.clone()),
        DaemonAttribute::SyncId(daemon.sync_id.into()),
    ];
    attributes.extend(daemon.max_len.map(DaemonAttribute::MaxLength));
    attributes.extend([
        match daemon.group {
            IpAddr::V4(group) => DaemonAttribute::Group(group),
            IpAddr::V6(group) => DaemonAttribute::Group6(group),
        },
        DaemonAttribute::Port(daemon.port),
        DaemonAttribute::Ttl(daemon.ttl),
    ]);
    of_daemon(Command::NewDaemon, attributes)
}

fn stop(role: Role) -> Message {
    of_daemon(
        Command::DelDaemon,
        vec![DaemonAttribute::State(state(role))],
    )
}

/// Reads one message of a dump: none for a state that is neither.
///
/// Kernels before 4.3 say nothing of group, port and ttl, which are fixed there.
fn report(message: &Message) -> Result<Option<(Role, Daemon)>, DecodeError> {
    let attributes = message.daemon().ok_or("no IPVS_CMD_ATTR_DAEMON")?;
    let mut role = None;
    let mut daemon = Daemon {
        group: DEFAULT_GROUP,
        port: DEFAULT_PORT,
        ttl: DEFAULT_TTL,
        ..Daemon::on("", 0)
    };
    for attribute in attributes {
        match attribute {
            DaemonAttribute::State(IP_VS_STATE_MASTER) => role = Some(Role::Master),
            DaemonAttribute::State(IP_VS_STATE_BACKUP) => role = Some(Role::Backup),
            DaemonAttribute::Interface(name) => daemon.interface.clone_from(name),
            DaemonAttribute::SyncId(id) => {
                daemon.sync_id = u8::try_from(*id).map_err(|_| "IPVS_DAEMON_ATTR_SYNC_ID")?;
            }
            DaemonAttribute::MaxLength(length) => daemon.max_len = Some(*length),
            DaemonAttribute::Group(group) => daemon.group = (*group).into(),
            DaemonAttribute::Group6(group) => daemon.group = (*group).into(),
            DaemonAttribute::Port(port) => daemon.port = *port,
            DaemonAttribute::Ttl(ttl) => daemon.ttl = *ttl,
            DaemonAttribute::State(_) | DaemonAttribute::Other(_) => {}
        }
    }
    Ok(role.map(|role| (role, daemon)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ipvs::captures;

    #[test]
    fn the_kernels_daemons_are_read_as_ipvsadm_started_them() {
        let daemons: Vec<_> = captures::payloads(captures::SYNC_DAEMONS)
            .iter()
            .map(|message| report(message).unwrap().unwrap())
            .map(|(role, daemon)| format!("{role} {daemon}"))
            .collect();
        assert_eq!(
            daemons,
            [
                "master lo id 7 group 224.0.0.81:8848 ttl 1 maxlen 1472",
                "backup d1 id 8 group 224.0.0.81:8848 ttl 1 maxlen 1472",
            ]
        );
    }

    #[test]
    fn a_daemon_is_read_as_it_was_asked_for() {
        let daemon = Daemon {
            group: "ff02::51".parse().unwrap(),
            port: 9000,
            ttl: 3,
            max_len: Some(900),
            ..Daemon::on("ens192", 51)
        };
        for role in Role::ALL {
            let read = report(&start(role, &daemon)).unwrap();
            assert_eq!(read, Some((role, daemon.clone())));
        }
    }
}

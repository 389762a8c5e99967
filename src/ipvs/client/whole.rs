//! Single virtual servers, and the table as a whole: what commands ask for and
//! the director never does.

use std::sync::Arc;

use netlink_packet_core::DecodeError;

use crate::ipvs::kernel::KernelVirtualServer;
use crate::ipvs::wire::Command;
use crate::lvs::VirtualServerId;

use super::{Client, Error, report, request};

impl Client {
    /// Reads one virtual server with its real servers, if it is there.
    pub fn virtual_server(
        &mut self,
        id: &VirtualServerId,
    ) -> Result<Option<KernelVirtualServer>, Error> {
        let doing = "read the virtual server";
        let answer = match self.ask(doing, request::virtual_server(Command::GetService, id)) {
            Err(Error::Refused { source, .. }) if source.is_missing() => return Ok(None),
            answer => answer?,
        };
        let reported = report::virtual_server(&answer);
        let reported = reported.map_err(|source| Error::Malformed { doing, source })?;
        let Some((_, mut virtual_server)) = reported else {
            let source = DecodeError::from("the answer is about another protocol");
            return Err(Error::Malformed { doing, source });
        };
        virtual_server.real_servers = Arc::new(self.real_servers(id)?);
        Ok(Some(virtual_server))
    }

    /// Sets the counters of one virtual server and its real servers to 0, or those
    /// of all. Rates go on.
    pub fn zero(&mut self, which: Option<&VirtualServerId>) -> Result<(), Error> {
        match which {
            None => self.order("zero the counters", request::plain(Command::Zero)),
            Some(id) => self.order(
                "zero the counters of the virtual server",
                request::virtual_server(Command::Zero, id),
            ),
        }
    }

    /// Removes every virtual server with its real servers, whoever added them.
    pub fn flush(&mut self) -> Result<(), Error> {
        self.order(
            "remove every virtual server",
            request::plain(Command::Flush),
        )
    }
}

//! nginx, as it runs on real servers.

use std::net::{SocketAddr, TcpStream};

use super::host::Host;
use super::room::in_net;
use super::wait::{eventually, millis, secs, within};

const CONFIG: &str = "/etc/nginx/lab.conf";

impl Host {
    /// Starts nginx, which listens on every address, port 80, and answers each request with
    /// this text.
    #[track_caller]
    pub(crate) fn nginx(&self, body: &str) {
        self.write_nginx(&format!("location / {{ return 200 \"{body}\"; }}"));
        self.start_nginx();
    }

    /// Starts nginx with these lines in its `server` block, which already listens on port 80.
    #[track_caller]
    pub(crate) fn nginx_with(&self, server: &str) {
        self.write_nginx(server);
        self.start_nginx();
    }

    /// Starts the nginx configured before, and waits until it accepts connections.
    #[track_caller]
    pub(crate) fn start_nginx(&self) {
        let program = self.spawn(&format!("nginx -c {CONFIG}"));
        *self.web().lock().unwrap() = Some(program);
        eventually(
            &format!("nginx of {} accepts", self.name()),
            within(secs(10)),
            || {
                let accepts = || {
                    let here = SocketAddr::from(([127, 0, 0, 1], 80));
                    TcpStream::connect_timeout(&here, millis(500)).is_ok()
                };
                in_net(self.room().net(), accepts).join().unwrap()
            },
        );
    }

    /// Stops nginx at once, as `systemctl stop nginx` does: its port refuses connections.
    #[track_caller]
    pub(crate) fn stop_nginx(&self) {
        let program = self.web().lock().unwrap().take();
        program.expect("nginx was started").terminate();
    }

    fn write_nginx(&self, server: &str) {
        self.write(
            CONFIG,
            &format!(
                "user root;\ndaemon off;\npid /run/nginx.pid;\nerror_log stderr;\n\
                 worker_processes 1;\nevents {{ worker_connections 512; }}\n\
                 http {{\n  access_log off;\n  default_type text/plain;\n  server {{\n\
                 listen 80;\n listen [::]:80;\n{server}\n  }}\n}}\n"
            ),
        );
    }
}

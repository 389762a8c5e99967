//! `lvsd ipvs connections`: a table of any length, a line at a time.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write};

use clap::Args;
use serde::Serialize;

use super::args::{RealServerAddress, virtual_server};
use crate::cli::Failure;
use crate::ipvs::connections::{self, Connection};
use crate::lvs::VirtualServerId;

/// How many rows decide how wide the columns are. What is wider behind them
/// pushes its own row aside and no other.
const SAMPLE: usize = 200;

#[derive(Debug, Args)]
pub(super) struct ConnectionsArgs {
    /// Only those of this virtual server, such as `tcp 192.168.1.200:80`. Of a
    /// firewall mark only persistence can be told.
    #[arg(long, num_args = 2, value_names = ["PROTOCOL", "VIP:PORT"])]
    virtual_server: Vec<String>,

    /// Only those to this real server.
    #[arg(long, value_name = "RIP[:PORT]")]
    real_server: Option<RealServerAddress>,

    /// Print a JSON array, a connection on each line.
    #[arg(long)]
    json: bool,
}

/// Prints the connections.
pub(super) fn run(args: &ConnectionsArgs) -> Result<(), Failure> {
    let id = match args.virtual_server.as_slice() {
        [kind, address] => Some(virtual_server(kind, address)?),
        _ => None,
    };
    let list = File::open(connections::PATH).map_err(|error| cannot_open(&error))?;
    let out = BufWriter::new(io::stdout().lock());
    let wanted = |connection: &Connection<'_>| wanted(connection, id.as_ref(), args.real_server);
    let printed = if args.json {
        print(list, JsonLines { out, any: false }, wanted)
    } else {
        print(list, Columns::new(out), wanted)
    };
    match printed {
        Ok(0) => Ok(()),
        Ok(unknown) => {
            eprintln!(
                "lvsd: warning: {unknown} lines of {} make no sense",
                connections::PATH
            );
            Ok(())
        }
        // The reader of our output went away (`| head`).
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(Failure::runtime(format!(
            "cannot list connections: {error}"
        ))),
    }
}

fn cannot_open(error: &io::Error) -> Failure {
    let mend = match error.kind() {
        io::ErrorKind::NotFound => Some("load the kernel module first: modprobe ip_vs"),
        io::ErrorKind::PermissionDenied => {
            Some("run as root, or with CAP_NET_ADMIN in this network namespace")
        }
        _ => None,
    };
    let path = connections::PATH;
    Failure::with_mend(format!("cannot list connections: {path}: {error}"), mend)
}

fn wanted(
    connection: &Connection<'_>,
    id: Option<&VirtualServerId>,
    real_server: Option<RealServerAddress>,
) -> bool {
    id.is_none_or(|id| connection.is_of(id))
        && real_server.is_none_or(|wanted| wanted.is(connection.real_server))
}

/// Something that is printed connection by connection.
trait Printer {
    fn connection(&mut self, connection: &Connection<'_>) -> io::Result<()>;
    fn end(&mut self) -> io::Result<()>;
}

fn print(
    list: File,
    mut printer: impl Printer,
    wanted: impl Fn(&Connection<'_>) -> bool,
) -> io::Result<u64> {
    let unknown = connections::each(BufReader::new(list), |connection| {
        if wanted(connection) {
            printer.connection(connection)?;
        }
        Ok(())
    })?;
    printer.end()?;
    Ok(unknown)
}

/// The cells of a row. The last two are empty but for persistence engines.
type Row = [String; 8];

/// Aligned columns.
struct Columns<W> {
    out: W,
    widths: [usize; 8],
    /// Rows that wait until the widths are known.
    sample: Option<Vec<Row>>,
}

impl<W: Write> Columns<W> {
    fn new(out: W) -> Self {
        let heading = [
            "PROTOCOL",
            "EXPIRES",
            "STATE",
            "SOURCE",
            "VIRTUAL",
            "REAL SERVER",
            "",
            "",
        ];
        let mut columns = Self {
            out,
            widths: [0; 8],
            sample: Some(Vec::with_capacity(SAMPLE)),
        };
        columns.keep(heading.map(str::to_owned));
        columns
    }

    fn keep(&mut self, row: Row) {
        for (width, cell) in self.widths.iter_mut().zip(&row) {
            *width = cell.len().max(*width);
        }
        self.sample.get_or_insert_default().push(row);
    }

    fn print_sample(&mut self) -> io::Result<()> {
        let rows = self.sample.take().unwrap_or_default();
        rows.iter().try_for_each(|row| self.print(row))
    }

    fn print(&mut self, row: &Row) -> io::Result<()> {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(self.widths).enumerate() {
            match column {
                0 => line = format!("{cell:<width$}"),
                1 => line += &format!("  {cell:>width$}"),
                _ => line += &format!("  {cell:<width$}"),
            }
        }
        writeln!(self.out, "{}", line.trim_end())
    }
}

impl<W: Write> Printer for Columns<W> {
    fn connection(&mut self, connection: &Connection<'_>) -> io::Result<()> {
        let row = row(connection);
        match &self.sample {
            None => self.print(&row),
            Some(sample) if sample.len() < SAMPLE => {
                self.keep(row);
                Ok(())
            }
            Some(_) => {
                self.keep(row);
                self.print_sample()
            }
        }
    }

    fn end(&mut self) -> io::Result<()> {
        self.print_sample()?;
        self.out.flush()
    }
}

/// A template's source has no port: it stands for all connections of the client.
fn row(connection: &Connection<'_>) -> Row {
    let seconds = connection.expires.as_secs();
    let (engine, data) = connection.engine.unwrap_or_default();
    let template = connection.is_template();
    let source = if template {
        connection.source.ip().to_string()
    } else {
        connection.source.to_string()
    };
    let virtual_address = match connection.mark() {
        Some(mark) => format!("fwmark {mark}"),
        None => connection.virtual_address.to_string(),
    };
    [
        connection.protocol.name().to_owned(),
        format!("{}:{:02}", seconds / 60, seconds % 60),
        if template {
            "persistent"
        } else {
            connection.state
        }
        .to_owned(),
        source,
        virtual_address,
        connection.real_server.to_string(),
        engine.to_owned(),
        data.to_owned(),
    ]
}

/// A JSON array, a connection on each line.
struct JsonLines<W> {
    out: W,
    any: bool,
}

#[derive(Serialize)]
struct JsonConnection<'line> {
    protocol: &'static str,
    expires_seconds: u64,
    state: &'line str,
    template: bool,
    source: std::net::SocketAddr,
    #[serde(rename = "virtual")]
    virtual_address: Option<std::net::SocketAddr>,
    mark: Option<u32>,
    real_server: std::net::SocketAddr,
    persistence_engine: Option<&'line str>,
    persistence_data: Option<&'line str>,
}

impl<W: Write> Printer for JsonLines<W> {
    fn connection(&mut self, connection: &Connection<'_>) -> io::Result<()> {
        self.out.write_all(if self.any { b",\n" } else { b"[\n" })?;
        self.any = true;
        let mark = connection.mark().map(u32::from);
        let json = JsonConnection {
            protocol: connection.protocol.name(),
            expires_seconds: connection.expires.as_secs(),
            state: connection.state,
            template: connection.is_template(),
            source: connection.source,
            virtual_address: mark.is_none().then_some(connection.virtual_address),
            mark,
            real_server: connection.real_server,
            persistence_engine: connection.engine.map(|(name, _)| name),
            persistence_data: connection.engine.map(|(_, data)| data),
        };
        serde_json::to_writer(&mut self.out, &json).map_err(io::Error::from)
    }

    fn end(&mut self) -> io::Result<()> {
        self.out
            .write_all(if self.any { b"\n]\n" } else { b"[]\n" })?;
        self.out.flush()
    }
}

#[cfg(test)]
mod tests;

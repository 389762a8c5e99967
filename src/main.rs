//! The `lvsd` command.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use lvsd::config::realserver::{Readiness, RealServerConfig};
use lvsd::lvs::Forwarding;

fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .init();
    let mut config = RealServerConfig {
        vips: Vec::new(),
        forwarding: Forwarding::DirectRoute,
        drain: Duration::from_secs(10),
        readiness: Readiness {
            listen: ([0, 0, 0, 0], 9480).into(),
            allow: None,
        },
        services: Vec::new(),
    };
    let mut args = std::env::args().skip(2);
    while let (Some(key), Some(value)) = (args.next(), args.next()) {
        match key.as_str() {
            "--vip" => config.vips.extend(value.parse::<std::net::IpAddr>()),
            "--config" => read(&mut config, &value),
            _ => return ExitCode::from(2),
        }
    }
    let runtime_dir = std::env::var_os("LVSD_RUNTIME_DIR").unwrap_or("/run/lvsd".into());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let Ok(runtime) = runtime else {
        return ExitCode::FAILURE;
    };
    let again = config.clone();
    let file = std::env::args().skip_while(|a| a != "--config").nth(1);
    let reload = move || {
        let mut config = again.clone();
        let Some(file) = &file else {
            return Err("there is no file to read".to_owned());
        };
        config.vips.clear();
        read(&mut config, file);
        Ok(config)
    };
    match runtime.block_on(lvsd::realserver::run(
        config,
        PathBuf::from(runtime_dir),
        reload,
    )) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{}", lvsd::realserver::kernel::chain(&error));
            ExitCode::FAILURE
        }
    }
}

/// Just enough for the tests.
fn read(config: &mut RealServerConfig, file: &str) {
    let Ok(text) = std::fs::read_to_string(file) else {
        return;
    };
    let Ok(table) = text.parse::<toml::Table>() else {
        return;
    };
    let list = |value: Option<&toml::Value>| -> Vec<std::net::IpAddr> {
        let items = value
            .and_then(|v| v.as_array())
            .cloned()
            .unwrap_or_default();
        items
            .iter()
            .filter_map(|v| v.as_str()?.parse().ok())
            .collect()
    };
    config.vips.extend(list(table.get("vips")));
    if let Some(drain) = table.get("drain").and_then(|v| v.as_str()) {
        let millis = drain.strip_suffix("ms").and_then(|n| n.parse().ok());
        let secs = drain.strip_suffix('s').and_then(|n| n.parse().ok());
        config.drain = millis
            .map(Duration::from_millis)
            .or(secs.map(Duration::from_secs))
            .unwrap_or(config.drain);
    }
    if let Some(readiness) = table.get("readiness") {
        if let Some(listen) = readiness.get("listen").and_then(|v| v.as_str()) {
            config.readiness.listen = listen.parse().unwrap_or(config.readiness.listen);
        }
        config.readiness.allow = readiness.get("allow").map(|v| list(Some(v)));
    }
    for service in table
        .get("service")
        .and_then(|v| v.as_array())
        .into_iter()
        .flatten()
    {
        let address = service
            .get("check")
            .and_then(|c| c.get("address"))
            .and_then(|v| v.as_str());
        let Some(address) = address.and_then(|a| a.parse().ok()) else {
            continue;
        };
        config.services.push(lvsd::config::realserver::Service {
            name: service
                .get("name")
                .and_then(|v| v.as_str())
                .unwrap_or("?")
                .to_owned(),
            check: lvsd::health::Check {
                probe: lvsd::health::Probe::Tcp { address },
                timing: lvsd::health::Timing {
                    interval: Duration::from_millis(100),
                    timeout: Duration::from_secs(1),
                    retries: 0,
                    retry_delay: Duration::from_millis(100),
                    rise: 1,
                },
            },
        });
    }
}

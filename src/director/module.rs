//! The kernel module `ip_vs`, of which one thing can only be chosen when it is
//! loaded: the size of the connection table.

use std::path::Path;
use std::process::{Command, Stdio};

use tracing::{debug, info};

/// Loads the module with the wanted table, unless it is loaded already.
///
/// It needs `CAP_SYS_MODULE`, which `lvsd-director.service` does not have: there the
/// kernel loads the module by itself when lvsd first asks for IPVS, with what
/// `/etc/modprobe.d` says.
pub(super) fn load(bits: Option<u8>) {
    let Some(bits) = bits else { return };
    if Path::new("/sys/module/ip_vs").exists() {
        return;
    }
    let outcome = Command::new("modprobe")
        .args(["ip_vs", &format!("conn_tab_bits={bits}")])
        .stdin(Stdio::null())
        .output();
    match outcome {
        Ok(output) if output.status.success() => {
            info!(conn_tab_bits = bits, "loaded the kernel module ip_vs");
        }
        Ok(output) => {
            let error = String::from_utf8_lossy(&output.stderr);
            debug!(error = error.trim(), "cannot load ip_vs; the kernel may");
        }
        Err(error) => debug!(%error, "cannot run modprobe; the kernel may load ip_vs"),
    }
}

/// What is wrong with the table's size, and the way out.
pub(super) fn shortfall(bits: Option<u8>, size: u32) -> Option<String> {
    let bits = bits?;
    if 1_u32.checked_shl(bits.into()) == Some(size) {
        return None;
    }
    Some(format!(
        "the connection table has {size} buckets, not the 2^{bits} of ipvs.conn_tab_bits, and its \
         size cannot change while ip_vs is loaded: write \"options ip_vs conn_tab_bits={bits}\" to \
         /etc/modprobe.d/lvsd.conf and reboot{}",
        if bits > 20 {
            " (Linux before 6.5 takes at most 20)"
        } else {
            ""
        }
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_of_another_size_is_told_with_the_way_out() {
        assert_eq!(shortfall(None, 4_096), None);
        assert_eq!(shortfall(Some(12), 4_096), None);
        let told = shortfall(Some(20), 4_096).unwrap();
        assert!(told.contains("options ip_vs conn_tab_bits=20"), "{told}");
        assert!(!told.contains("6.5"), "{told}");
        assert!(shortfall(Some(22), 4_096).unwrap().contains("6.5"));
    }
}

//! Free ports on the loopback interface.

use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Context, Result};

/// `preferred` if nobody listens on it, else one the system has free.
///
/// The port is free when this returns. If another process takes it before the server does, the server's start fails
/// with a message that says so, and the next start chooses again.
pub(crate) fn free(preferred: u16) -> Result<u16> {
    if preferred != 0 && is_free(preferred) {
        return Ok(preferred);
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port on 127.0.0.1")?;
    Ok(listener.local_addr()?.port())
}

fn is_free(port: u16) -> bool {
    // A server on all interfaces and one on loopback only are both in the way.
    TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok() && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_passed_over() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        assert_ne!(free(port).unwrap(), port);
    }
}

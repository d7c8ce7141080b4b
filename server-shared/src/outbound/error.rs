//! Reasons why an address that a user supplied was not reached.

use std::{error::Error, io};

use thiserror::Error;

/// The reason why there is no answer. It holds neither the address nor anything that was received, so it can
/// be logged, kept and shown.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum OutboundError {
    /// The text is no URL with a host, or has white space or control characters in it.
    #[error("the address is no URL: write it as https://host/path")]
    Invalid,
    /// A scheme other than `https`.
    #[error("the address must begin with https://")]
    Scheme,
    /// The URL holds a user name or password.
    #[error("the address holds a user name or password: remove them, requests are signed instead")]
    Credentials,
    /// A port that belongs to another protocol.
    #[error("the address names a port that is refused: use 443 or one above 1023")]
    Port,
    /// At least one address of the host is no public one.
    #[error("the host is not on the public Internet: all of its addresses have to be public ones")]
    NotPublic,
    /// The name of the host has no address.
    #[error("the name of the host has no address")]
    Unresolved,
    /// No connection to the host.
    #[error("the host takes no connection")]
    Unreachable,
    /// The host speaks no TLS, or shows a certificate that is not trusted for its name.
    #[error("the host has no certificate that is trusted for its name")]
    Tls,
    /// The answer was not complete within the time limit.
    #[error("the host did not answer in time")]
    Timeout,
    /// The connection broke off, or the answer is no HTTP.
    #[error("the answer of the host broke off, or is no HTTP")]
    Broken,
}

impl OutboundError {
    /// Returns the stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Invalid => "address_invalid",
            Self::Scheme => "address_scheme",
            Self::Credentials => "address_credentials",
            Self::Port => "address_port",
            Self::NotPublic => "address_not_public",
            Self::Unresolved => "host_unresolved",
            Self::Unreachable => "host_unreachable",
            Self::Tls => "host_untrusted",
            Self::Timeout => "host_timeout",
            Self::Broken => "host_broke_off",
        }
    }

    /// Returns true if the address itself is refused, so that a repeat is useless. A name may resolve to another
    /// address later and can be checked again.
    pub fn is_refusal(self) -> bool {
        matches!(self, Self::Invalid | Self::Scheme | Self::Credentials | Self::Port | Self::NotPublic)
    }
}

impl From<reqwest::Error> for OutboundError {
    /// Takes the kind alone: reqwest's errors name the URL, rustls' the host.
    fn from(error: reqwest::Error) -> Self {
        let mut cause: Option<&(dyn Error + 'static)> = Some(&error);
        while let Some(error) = cause {
            if let Some(known) = error.downcast_ref::<Self>() {
                return *known;
            }
            if is_tls(error) {
                return Self::Tls;
            }
            cause = error.source();
        }
        if error.is_timeout() {
            Self::Timeout
        } else if error.is_connect() {
            Self::Unreachable
        } else {
            Self::Broken
        }
    }
}

/// Also checks the error inside `io::Error`, which `source` does not return.
fn is_tls(error: &(dyn Error + 'static)) -> bool {
    let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    error.is::<rustls::Error>() || wrapped.is_some_and(|wrapped| is_tls(wrapped))
}

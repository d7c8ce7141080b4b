//! HTTP clients of the services that the configuration names, and root certificates of all clients.

use std::{sync::OnceLock, time::Duration};

use reqwest::{Certificate, Client, Url, redirect::Policy};

/// Builds a client of the service at `base`. Its requests take at most `timeout` and follow no redirects: answers come
/// from the address that was configured and from no other.
///
/// # Errors
/// If the operating system has no root certificate that can be read, and `base` is not plain HTTP.
pub fn service_client(base: &Url, timeout: Duration) -> Result<Client, reqwest::Error> {
    // The first part of the process that needs it installs it; the others need the same one.
    rustls::crypto::ring::default_provider().install_default().ok();
    let builder = Client::builder().timeout(timeout).redirect(Policy::none());
    // Reading the root certificates takes longer than anything else at the start.
    let builder = if base.scheme() == "http" { builder.tls_certs_only([]) } else { with_roots(builder) };
    builder.build()
}

/// Trusts the root certificates of the operating system, which are read once for the whole process.
pub(crate) fn with_roots(builder: reqwest::ClientBuilder) -> reqwest::ClientBuilder {
    static ROOTS: OnceLock<Vec<Certificate>> = OnceLock::new();
    let roots = ROOTS.get_or_init(|| {
        let found = rustls_native_certs::load_native_certs().certs;
        found.iter().filter_map(|root| Certificate::from_der(root).ok()).collect()
    });
    // Without any, the client reads them itself and says why it can't.
    if roots.is_empty() { builder } else { builder.tls_certs_only(roots.iter().cloned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_of_both_schemes_are_built() {
        for base in ["http://127.0.0.1:1", "https://api.example.com"] {
            assert!(service_client(&base.parse().unwrap(), Duration::from_secs(1)).is_ok(), "{base}");
        }
    }
}

//! Daily's REST API, as far as Core calls it.

use std::ops::Deref;

use tokio::{net::TcpListener, task::JoinHandle};
use xtask_daily::Daily;

/// The domain's API key.
const API_KEY: &str = "0f1e2d3c4b5a69780f1e2d3c4b5a69780f1e2d3c4b5a69780f1e2d3c4b5a6978";

/// A test's own stand-in for Daily: shows its rooms and tokens, and fails when it is told to.
#[derive(Debug)]
pub struct DailyApi {
    url: String,
    daily: Daily,
    server: JoinHandle<()>,
}

impl DailyApi {
    /// Starts one without rooms.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let url = format!("http://{}/v1", listener.local_addr().expect("the listener has an address"));
        let daily = Daily::new(API_KEY);
        let server = tokio::spawn(daily.clone().serve(listener));
        Self { url, daily, server }
    }

    /// Value of `DAILY_REST_DOMAIN`.
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// Value of `DAILY_API_KEY`.
    pub fn api_key(&self) -> &'static str {
        API_KEY
    }
}

impl Deref for DailyApi {
    type Target = Daily;

    fn deref(&self) -> &Daily {
        &self.daily
    }
}

impl Drop for DailyApi {
    fn drop(&mut self) {
        self.server.abort();
    }
}

//! `/metrics` in Prometheus text, for an operator with the token.

use std::{sync::Arc, time::Duration};

use metrics::counter;
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use poem::{Endpoint, IntoResponse, Request, Response, Result, endpoint::make, http::StatusCode};
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;
use tokio_util::sync::CancellationToken;

use super::authorization::bearer;
use crate::shutdown::Shutdown;

const LATENCY_SECONDS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// Interval at which samples are folded into their buckets. Until then each takes eight bytes.
const FOLD_EVERY: Duration = Duration::from_secs(5);

/// The process's measurements.
#[derive(Clone)]
pub struct Metrics {
    handle: PrometheusHandle,
    /// Returns the number of bytes that the process has allocated so far, if it counts them.
    allocated: fn() -> Option<u64>,
}

impl Metrics {
    /// Installs the recorder of this process; call it once. A job folds samples until the end, so that memory does not
    /// grow with requests if nobody scrapes.
    pub fn install(jobs: &Shutdown) -> Result<Self, BuildError> {
        let handle = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &LATENCY_SECONDS)?
            .install_recorder()?;
        let metrics = Self { handle, allocated: || None };
        jobs.spawn("metrics", |stop| metrics.clone().fold(stop));
        Ok(metrics)
    }

    /// Adds `memory_allocated_bytes_total`, for builds whose allocator counts.
    #[must_use]
    pub fn counting(self, allocated: fn() -> Option<u64>) -> Self {
        Self { allocated, ..self }
    }

    async fn fold(self, stop: CancellationToken) {
        let mut due = tokio::time::interval(FOLD_EVERY);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = due.tick() => self.handle.run_upkeep(),
            }
        }
    }

    /// Returns the endpoint. Without a configured token it answers 404.
    pub fn endpoint(self, token: Option<SecretString>) -> impl Endpoint<Output = Response> + 'static {
        let token = token.map(Arc::new);
        make(move |request: Request| {
            let (metrics, token) = (self.clone(), token.clone());
            async move { Ok::<_, poem::Error>(answer(&metrics, token.as_deref(), &request)) }
        })
    }
}

fn answer(metrics: &Metrics, token: Option<&SecretString>, request: &Request) -> Response {
    let Some(token) = token else { return StatusCode::NOT_FOUND.into_response() };
    let given = bearer(request).unwrap_or_default();
    if !bool::from(given.as_bytes().ct_eq(token.expose_secret().as_bytes())) {
        return StatusCode::NOT_FOUND.into_response();
    }
    if let Some(allocated) = (metrics.allocated)() {
        counter!("memory_allocated_bytes_total").absolute(allocated);
    }
    // The answer includes samples that are not folded yet.
    metrics.handle.run_upkeep();
    Response::builder().content_type("text/plain; version=0.0.4; charset=utf-8").body(metrics.handle.render())
}

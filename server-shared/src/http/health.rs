//! `/health` and `/ready`.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use futures_util::future::join_all;
use poem_openapi::{Enum, Object, OpenApi, Tags, payload::Json, types::Example};
use serde::Serialize;
use tokio::{sync::Mutex, time::Instant};

use crate::error::ApiError;

/// Longest time for the answer to a probe of a required dependency.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);
/// Longest time for an optional one, for which the answer of `/ready` must not wait.
const OPTIONAL_PROBE_TIMEOUT: Duration = Duration::from_millis(300);

/// Time for which the dependencies' last answers are reused. The operation is public, so any number of callers must
/// cause at most one round of probes a second.
const VERDICT_LIFETIME: Duration = Duration::from_secs(1);

/// Check of a dependency of the service.
#[async_trait]
pub trait Probe: Send + Sync + 'static {
    /// Checks the dependency. The text of an error goes to the log, not to the caller.
    async fn probe(&self) -> Result<(), Box<dyn std::error::Error + Send + Sync>>;
}

/// A named dependency.
pub struct Dependency {
    /// Name in the answer, e.g. `postgresql`.
    pub name: &'static str,
    /// `true` if the service can't work without the dependency.
    pub required: bool,
    /// Check of it.
    pub probe: Box<dyn Probe>,
}

#[derive(Tags)]
enum Tag {
    /// State of the service.
    Platform,
}

/// State of the process.
#[derive(Debug, Clone, Object)]
#[oai(example)]
pub struct Health {
    /// Always `ok`; a process that does not serve requests does not answer.
    pub status: HealthStatus,
    /// Version of the running binary.
    pub version: String,
}

impl Example for Health {
    fn example() -> Self {
        Self { status: HealthStatus::Ok, version: "0.1.0".to_owned() }
    }
}

/// State of a running process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub enum HealthStatus {
    /// The process serves requests.
    Ok,
}

/// Dependencies of the service, with their state.
#[derive(Debug, Clone, Object)]
#[oai(example)]
pub struct Ready {
    /// One entry for each dependency.
    pub dependencies: Vec<DependencyState>,
}

impl Example for Ready {
    fn example() -> Self {
        let state = DependencyState { name: "postgresql".to_owned(), up: true, required: true, latency_ms: 0.4 };
        Self { dependencies: vec![state] }
    }
}

/// State of a dependency.
#[derive(Debug, Clone, Serialize, Object)]
pub struct DependencyState {
    /// Name of the dependency.
    pub name: String,
    /// `true` if the dependency answered in time.
    pub up: bool,
    /// `true` if the service can't work without the dependency.
    pub required: bool,
    /// Duration of the check in milliseconds.
    pub latency_ms: f64,
}

/// Time at which the dependencies were checked, and their states.
type Verdict = (Instant, Vec<DependencyState>);

/// The operations `health_get` and `ready_get`.
#[derive(Clone)]
pub struct HealthApi {
    version: &'static str,
    dependencies: Arc<Vec<Dependency>>,
    /// Last answers of the dependencies, and their time. Locked while the dependencies are asked: further callers
    /// wait for the same answers.
    verdict: Arc<Mutex<Option<Verdict>>>,
}

impl HealthApi {
    /// Asks `dependencies` if `/ready` is called, at most once a second.
    pub fn new(version: &'static str, dependencies: Vec<Dependency>) -> Self {
        Self { version, dependencies: Arc::new(dependencies), verdict: Arc::default() }
    }

    async fn verdict(&self) -> Vec<DependencyState> {
        let mut known = self.verdict.lock().await;
        if let Some((asked, states)) = &*known
            && asked.elapsed() < VERDICT_LIFETIME
        {
            return states.clone();
        }
        let states = join_all(self.dependencies.iter().map(ask)).await;
        *known = Some((Instant::now(), states.clone()));
        states
    }
}

#[OpenApi]
impl HealthApi {
    /// Check that the process serves requests
    ///
    /// Answers 200 as long as the process serves requests. Does not check the dependencies; see `ready_get`.
    #[oai(path = "/health", method = "get", operation_id = "health_get", tag = "Tag::Platform")]
    async fn health_get(&self) -> Result<Json<Health>, ApiError> {
        Ok(Json(Health { status: HealthStatus::Ok, version: self.version.to_owned() }))
    }

    /// Check the dependencies of the service
    ///
    /// Answers 503 `not_ready` if a required one does not answer; `details.dependencies` has the same entries as the
    /// body of a 200. The answer may be a second old.
    #[oai(path = "/ready", method = "get", operation_id = "ready_get", tag = "Tag::Platform")]
    async fn ready_get(&self) -> Result<Json<Ready>, ApiError> {
        let dependencies = self.verdict().await;
        if dependencies.iter().all(|state| state.up || !state.required) {
            return Ok(Json(Ready { dependencies }));
        }
        let down: Vec<&str> = dependencies.iter().filter(|state| !state.up).map(|state| state.name.as_str()).collect();
        let cause = format!("down: {}", down.join(", "));
        Err(ApiError::unavailable("not_ready", "A dependency that the service needs does not answer.", cause)
            .with_details(serde_json::json!({ "dependencies": dependencies })))
    }
}

async fn ask(dependency: &Dependency) -> DependencyState {
    let began = Instant::now();
    let bound = if dependency.required { PROBE_TIMEOUT } else { OPTIONAL_PROBE_TIMEOUT };
    let up = match tokio::time::timeout(bound, dependency.probe.probe()).await {
        Ok(Ok(())) => true,
        Ok(Err(error)) => {
            tracing::warn!(dependency = dependency.name, %error, "a dependency is down");
            false
        }
        Err(_) => {
            tracing::warn!(dependency = dependency.name, "a dependency does not answer");
            false
        }
    };
    let latency_ms = (began.elapsed().as_secs_f64() * 1e6).round() / 1e3;
    DependencyState { name: dependency.name.to_owned(), up, required: dependency.required, latency_ms }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Accepts the question and never answers.
    struct Silent;

    #[async_trait]
    impl Probe for Silent {
        async fn probe(&self) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
            std::future::pending().await
        }
    }

    /// Counts the questions.
    #[derive(Clone, Default)]
    struct Counted(Arc<AtomicUsize>);

    #[async_trait]
    impl Probe for Counted {
        async fn probe(&self) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
            self.0.fetch_add(1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            Ok(())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn however_many_ask_dependencies_are_asked_once_a_second() {
        let counted = Counted::default();
        let dependency = Dependency { name: "counted", required: true, probe: Box::new(counted.clone()) };
        let health = HealthApi::new("0.0.0", vec![dependency]);
        for round in 1..=3 {
            for answer in join_all((0..100).map(|_| health.ready_get())).await {
                assert!(answer.unwrap().dependencies[0].up);
            }
            assert_eq!(counted.0.load(Ordering::SeqCst), round, "one round of questions for all who ask");
            tokio::time::advance(VERDICT_LIFETIME).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_service_can_do_without_holds_the_answer_up_only_briefly() {
        let silent = Dependency { name: "silent", required: false, probe: Box::new(Silent) };
        let began = tokio::time::Instant::now();
        let Json(ready) = HealthApi::new("0.0.0", vec![silent]).ready_get().await.unwrap();
        let took = began.elapsed();
        assert!(!ready.dependencies[0].up, "a silent dependency is down");
        assert_eq!(took, OPTIONAL_PROBE_TIMEOUT, "a dependency that is not needed holds the answer up for longer");
    }
}

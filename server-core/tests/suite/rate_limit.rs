//! Rate limits by caller, by address and by failures; with two processes, and without Redis.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use reqwest::{Method, StatusCode};
use test_support::{Actor, Answer, CoreApp, Issuer, SessionClaims, Throwaway, until};
use tokio::task::JoinSet;

/// Writes allowed in a minute, and the interval after which one of them is allowed again.
const WRITES: usize = 120;
const WRITE_INTERVAL: Duration = Duration::from_millis(500);
/// Writes that a process may admit without confirmation from Redis: a quarter of a tenth of the budget.
const UNTOLD: usize = WRITES / 10 / 4;

/// Failed authentications allowed in a minute, and the interval after which one of them is allowed again.
const FAILURES: usize = 20;
const FAILURE_INTERVAL: Duration = Duration::from_secs(3);
/// Probes allowed in a minute from one address, and the interval after which one of them is allowed again.
const PROBES: usize = 1_200;
const PROBE_INTERVAL: Duration = Duration::from_millis(50);
/// Public operation that is no probe.
const PUBLIC: &str = "/.well-known/jwks.json";
/// Messages in the log when Redis is lost, and when it is found again.
const AWAY: &str = "Redis is away; each process keeps the rate limits by itself meanwhile";
const SHARED: &str = "rate limits are shared through Redis";

fn limited() -> test_support::CoreBuilder {
    CoreApp::builder().env("RATE_LIMIT_SCALE", "1")
}

/// Sends a write that changes nothing: it is counted before its body is validated.
async fn write(actor: &Actor) -> Answer {
    Answer::to(actor.request(Method::POST, "/v1/specialties").json(&serde_json::json!({}))).await
}

/// Sends writes, twenty at a time, until one is refused; returns the number admitted, and the refusal.
async fn spend(actors: &[&Actor]) -> (usize, Answer) {
    let mut admitted = 0;
    loop {
        let mut round = JoinSet::new();
        for number in 0..20 {
            let actor = actors[number % actors.len()].clone();
            round.spawn(async move { write(&actor).await });
        }
        let answers = round.join_all().await;
        admitted += answers.iter().filter(|answer| answer.status == StatusCode::UNPROCESSABLE_ENTITY).count();
        if let Some(refused) = answers.into_iter().find(|answer| answer.status != StatusCode::UNPROCESSABLE_ENTITY) {
            return (admitted, refused);
        }
    }
}

/// Returns the number of writes allowed since `began`.
fn share(began: Instant) -> usize {
    allowed(WRITES, WRITE_INTERVAL, began)
}

/// Returns the number allowed by a budget since `began`, with one more after each `interval`.
fn allowed(budget: usize, interval: Duration, began: Instant) -> usize {
    let back = began.elapsed().as_millis() / interval.as_millis();
    budget + usize::try_from(back).unwrap() + 1
}

/// Sends requests one after the other while the answer's status is `admitted`; returns their number, and the first
/// other answer.
async fn ask_until_refused<F: Future<Output = Answer>>(admitted: u16, mut ask: impl FnMut() -> F) -> (usize, Answer) {
    let mut count = 0;
    loop {
        let answer = ask().await;
        if answer.status.as_u16() != admitted {
            return (count, answer);
        }
        count += 1;
    }
}

fn number(answer: &Answer, name: &str) -> u64 {
    answer.header(name).parse().unwrap_or_else(|_| panic!("{name} is a number: {:?}", answer.headers))
}

#[tokio::test]
async fn the_request_after_the_last_is_429_and_says_when_to_come_back() {
    let app = limited().start().await;
    let admin = app.admin();
    let began = Instant::now();
    let first = write(&admin).await;
    assert_eq!(number(&first, "ratelimit-limit"), 120);
    assert_eq!(number(&first, "ratelimit-remaining"), 119);
    assert_eq!(number(&first, "ratelimit-reset"), 1);
    let (admitted, refused) = spend(&[&admin]).await;
    assert!((WRITES..=share(began)).contains(&(admitted + 1)), "{admitted} in {:?}", began.elapsed());
    refused.refusal(429, "rate_limited");
    assert_eq!(number(&refused, "retry-after"), 1);
    assert_eq!(number(&refused, "ratelimit-remaining"), 0);
    assert_eq!(number(&refused, "ratelimit-reset"), 60);

    let read = Answer::to(admin.request(Method::GET, "/v1/specialties")).await;
    assert_eq!(
        (read.status.as_u16(), number(&read, "ratelimit-limit")),
        (200, 600),
        "reads have a budget of their own"
    );
    assert_eq!(write(&app.staff()).await.status, 422, "so has everybody else");
}

#[tokio::test]
async fn two_processes_have_one_budget() {
    let app = limited().start().await;
    let second = app.second_core().await;
    let (here, there) = (app.admin(), app.admin().at(&second.url()));
    let began = Instant::now();
    let (admitted, _) = spend(&[&here, &there]).await;
    // Writes that a process has admitted before Redis confirmed them come on top, up to this number (decision 14).
    let most = share(began) + 2 * UNTOLD;
    assert!((WRITES..=most).contains(&admitted), "{admitted} in {:?}", began.elapsed());
    let mut total = admitted;
    for actor in [&here, &there] {
        let (more, refused) = spend(&[actor]).await;
        refused.refusal(429, "rate_limited");
        total += more;
    }
    let most = share(began) + 2 * UNTOLD;
    assert!(total <= most, "the budget is spent in both processes, but {total} in {:?}", began.elapsed());
}

#[tokio::test]
async fn a_budget_that_was_spent_elsewhere_is_known_to_a_process_that_never_saw_the_caller() {
    let app = limited().start().await;
    let began = Instant::now();
    spend(&[&app.admin()]).await;
    let second = app.second_core().await;
    let (admitted, _) = spend(&[&app.admin().at(&second.url())]).await;
    assert!(WRITES + admitted <= share(began), "{admitted} more in {:?}", began.elapsed());
}

#[tokio::test]
async fn without_redis_requests_go_on_and_the_request_after_the_last_is_still_429() {
    let mut redis = Throwaway::valkey().await;
    let app = limited().env("REDIS_URL", redis.url()).start().await;
    let admin = app.admin();
    let began = Instant::now();
    for _ in 0..60 {
        assert_eq!(write(&admin).await.status, 422);
    }
    // Redis hangs, which is worse than being down: requests to it wait.
    redis.stop_answering();
    let (admitted, refused) = spend(&[&admin]).await;
    refused.refusal(429, "rate_limited");
    assert!((WRITES..=share(began)).contains(&(60 + admitted)), "{admitted} in {:?}", began.elapsed());
    assert_eq!(Answer::to(admin.request(Method::GET, "/v1/me")).await.status, 200);
    assert_eq!(app.server.log().matches(AWAY).count(), 1, "requests go on, and the log says once that Redis is away");

    // Redis is killed and comes back empty: the budget that was spent stays spent.
    redis.kill();
    redis.start().await;
    let total = AtomicUsize::new(60 + admitted);
    until("Redis is used again", CoreApp::PATIENCE, || async {
        if write(&admin).await.status == StatusCode::UNPROCESSABLE_ENTITY {
            total.fetch_add(1, Ordering::Relaxed);
        }
        (app.server.log().matches(SHARED).count() == 2).then_some(())
    })
    .await;
    let (again, _) = spend(&[&admin]).await;
    let total = total.into_inner() + again;
    assert!(total <= share(began), "a Redis without memory is no new budget: {total} in {:?}", began.elapsed());
}

#[tokio::test]
async fn who_keeps_failing_is_told_to_wait_and_good_credentials_still_pass() {
    let app = limited().start().await;
    let http = reqwest::Client::builder().build().unwrap();
    let url = format!("{}/v1/me", app.url());
    let ask = |token: String| Answer::to(http.get(&url).bearer_auth(token));
    let began = Instant::now();
    let claims = SessionClaims::of(&app.home().admin.clerk_id);
    let expired = Issuer::sign(&claims.with("exp", serde_json::json!(chrono::Utc::now().timestamp() - 60)).0);
    for _ in 0..3 {
        ask(expired.clone()).await.refusal(401, "token_expired");
    }
    ask("guess".to_owned()).await.refusal(401, "invalid_token");
    let (admitted, refused) = ask_until_refused(401, || ask(expired.clone())).await;
    let most = allowed(FAILURES, FAILURE_INTERVAL, began);
    assert!((FAILURES..=most).contains(&(4 + admitted)), "{admitted} more in {:?}", began.elapsed());
    assert!((1..=FAILURE_INTERVAL.as_secs()).contains(&number(&refused, "retry-after")));
    assert_eq!((number(&refused, "ratelimit-limit"), number(&refused, "ratelimit-remaining")), (20, 0));
    refused.refusal(429, "rate_limited");
    assert_eq!(ask(app.admin().token().to_owned()).await.status, 200);
}

#[tokio::test]
async fn an_address_is_bounded_before_anybody_is_known() {
    let app = limited().env("RATE_LIMIT_PER_ADDRESS", "30").env("TRUSTED_PROXIES", "127.0.0.1").start().await;
    let http = reqwest::Client::builder().build().unwrap();
    let ask = |from: &str| Answer::to(http.get(format!("{}{PUBLIC}", app.url())).header("x-forwarded-for", from));
    let began = Instant::now();
    let (admitted, refused) = ask_until_refused(200, || ask("203.0.113.7")).await;
    let most = allowed(30, Duration::from_secs(2), began);
    assert!((30..=most).contains(&admitted), "{admitted} in {:?}", began.elapsed());
    assert_eq!(number(&refused, "ratelimit-limit"), 30);
    assert!(number(&refused, "retry-after") >= 1);
    assert_eq!(refused.header("x-content-type-options"), "nosniff", "a refusal has the headers of every answer");
    refused.refusal(429, "rate_limited");
    assert_eq!(ask("203.0.113.8").await.status, 200, "another address is another caller");
}

#[tokio::test]
async fn refusals_by_address_come_first_and_browsers_read_them() {
    const OURS: &str = "https://app.example.org";
    let app = limited()
        .env("RATE_LIMIT_PER_ADDRESS", "30")
        .env("CORS_ALLOWED_ORIGINS", OURS)
        .env("TRUSTED_PROXIES", "127.0.0.1")
        .start()
        .await;
    let http = reqwest::Client::builder().build().unwrap();
    let preflight = |path: &str| {
        let request = http.request(Method::OPTIONS, format!("{}{path}", app.url()));
        let request = request.header("origin", OURS).header("access-control-request-method", "PUT");
        Answer::to(request.header("x-forwarded-for", "203.0.113.7"))
    };
    let scan = || Answer::to(http.get(format!("{}/.env", app.url())).header("x-forwarded-for", "203.0.113.9"));
    let began = Instant::now();
    let (preflights, refused) = ask_until_refused(204, || preflight("/v1/patients/7")).await;
    let (scans, _) = ask_until_refused(404, scan).await;
    let most = allowed(30, Duration::from_secs(2), began);
    for admitted in [preflights, scans] {
        assert!((30..=most).contains(&admitted), "{admitted} in {:?}", began.elapsed());
    }
    assert_eq!(refused.header("access-control-allow-origin"), OURS, "an application can read why");
    assert!(refused.header("access-control-expose-headers").contains("Retry-After"));
    refused.refusal(429, "rate_limited");
}

#[tokio::test]
async fn one_subscriber_of_ipv6_is_one_address() {
    let app = limited().env("RATE_LIMIT_PER_ADDRESS", "30").env("TRUSTED_PROXIES", "127.0.0.1").start().await;
    let http = reqwest::Client::builder().build().unwrap();
    let number = AtomicUsize::new(0);
    let ask = || {
        let from = format!("2001:db8:1:2::{:x}", number.fetch_add(1, Ordering::Relaxed));
        Answer::to(http.get(format!("{}{PUBLIC}", app.url())).header("x-forwarded-for", from))
    };
    let began = Instant::now();
    let (admitted, refused) = ask_until_refused(200, ask).await;
    refused.refusal(429, "rate_limited");
    let most = allowed(30, Duration::from_secs(2), began);
    assert!((30..=most).contains(&admitted), "{admitted} in {:?}", began.elapsed());
}

#[tokio::test]
async fn probes_have_a_bound_of_their_own() {
    let app = limited().env("TRUSTED_PROXIES", "127.0.0.1").start().await;
    let http = reqwest::Client::builder().build().unwrap();
    let ask =
        |path: &str| Answer::to(http.get(format!("{}{path}", app.url())).header("x-forwarded-for", "203.0.113.7"));
    let began = Instant::now();
    let (admitted, refused) = ask_until_refused(200, || ask("/ready")).await;
    refused.refusal(429, "rate_limited");
    let most = allowed(PROBES, PROBE_INTERVAL, began);
    assert!((PROBES..=most).contains(&admitted), "{admitted} in {:?}", began.elapsed());
    assert_eq!(ask(PUBLIC).await.status, 200, "what else comes from there is not meant");
}

#[tokio::test]
async fn probes_are_answered_whatever_else_comes_from_their_address() {
    let app = limited().env("RATE_LIMIT_PER_ADDRESS", "30").env("TRUSTED_PROXIES", "127.0.0.1").start().await;
    let http = reqwest::Client::builder().build().unwrap();
    let token = &app.server.environment()["METRICS_TOKEN"];
    let ask = |path: &str| {
        let request = http.get(format!("{}{path}", app.url())).bearer_auth(token);
        Answer::to(request.header("x-forwarded-for", "203.0.113.7"))
    };
    let began = Instant::now();
    for _ in 0..50 {
        assert_eq!(ask("/ready").await.status, 200);
    }
    let (admitted, refused) = ask_until_refused(200, || ask(PUBLIC)).await;
    refused.refusal(429, "rate_limited");
    let most = allowed(30, Duration::from_secs(2), began);
    assert!((30..=most).contains(&admitted), "probes cost nothing: {admitted} in {:?}", began.elapsed());
    for path in ["/health", "/ready", "/metrics"] {
        assert_eq!(ask(path).await.status, 200, "{path} of an address whose budget is spent");
    }
}

#[tokio::test]
async fn names_in_redis_tell_nobody_who_is_meant() {
    let redis = Throwaway::valkey().await;
    // A small budget recovers slowly enough for the test to see its name.
    let app = limited().env("REDIS_URL", redis.url()).env("RATE_LIMIT_PER_ADDRESS", "30").start().await;
    let client = redis::Client::open(redis.url()).unwrap();
    let connection = client.get_multiplexed_async_connection().await.unwrap();
    let (names, _) = until("Redis has heard of an address and of a caller", CoreApp::PATIENCE, || async {
        write(&app.admin()).await;
        let names: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut connection.clone()).await.unwrap();
        (names.len() >= 2).then_some(names)
    })
    .await;
    for name in names {
        let (class, hash) = name.strip_prefix("rate_limit:").unwrap().split_once(':').unwrap();
        assert!(["address", "write"].contains(&class), "{name}");
        assert!(hash.len() == 32 && hash.bytes().all(|b| b.is_ascii_hexdigit()), "{name}");
    }
}

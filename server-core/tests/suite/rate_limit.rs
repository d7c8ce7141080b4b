//! Limits: by caller, by address, by failure; with two processes, and without Redis.

use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use test_support::{Actor, Answer, CoreApp, Issuer, SessionClaims, Throwaway, eventually, until};
use tokio::task::JoinSet;

/// Writes a minute, and how long until one of them is back.
const WRITES: usize = 120;
const WRITE_INTERVAL: Duration = Duration::from_millis(500);
/// Writes that a process may have admitted without word from Redis: a quarter of the last tenth.
const UNTOLD: usize = WRITES / 10 / 4;

fn limited() -> test_support::CoreBuilder {
    CoreApp::builder().env("RATE_LIMIT_SCALE", "1")
}

/// A write that changes nothing: it is counted before its body is looked at.
async fn write(actor: &Actor) -> Answer {
    Answer::to(actor.request(Method::POST, "/v1/specialties").json(&serde_json::json!({}))).await
}

/// Writes, twenty at a time, until one is refused; how many were not, and the refusal.
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

/// What a budget allows in this time.
fn share(began: Instant) -> usize {
    let back = began.elapsed().as_millis() / WRITE_INTERVAL.as_millis();
    WRITES + usize::try_from(back).unwrap() + 1
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
    // What a process has admitted and Redis has not confirmed comes on top, at most so much (decision 14).
    let most = share(began) + 2 * UNTOLD;
    assert!((WRITES..=most).contains(&admitted), "{admitted} in {:?}", began.elapsed());
    for actor in [&here, &there] {
        let answers = [write(actor).await, write(actor).await];
        assert!(answers.iter().any(|answer| answer.status == 429), "the budget is spent in both processes");
    }
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
    redis.kill();
    let stopped = Instant::now();
    let (admitted, refused) = spend(&[&admin]).await;
    refused.refusal(429, "rate_limited");
    assert!((WRITES..=share(began)).contains(&(60 + admitted)), "{admitted} in {:?}", began.elapsed());
    let slow = Duration::from_secs(5);
    assert!(stopped.elapsed() < slow, "requests wait for a Redis that is gone: {:?}", stopped.elapsed());
    assert_eq!(Answer::to(admin.request(Method::GET, "/v1/me")).await.status, 200);

    // Back, and empty: what was spent stays spent.
    redis.start().await;
    eventually("Redis is used again", CoreApp::PATIENCE, || async {
        write(&admin).await;
        app.server.log().matches("rate limits are shared through Redis").count() == 2
    })
    .await;
    let (again, _) = spend(&[&admin]).await;
    assert!(60 + admitted + again <= share(began) + 60, "a Redis without memory is no new budget: {again}");
}

#[tokio::test]
async fn who_keeps_failing_is_told_to_wait_and_good_credentials_still_pass() {
    let app = limited().start().await;
    let http = reqwest::Client::builder().build().unwrap();
    let url = format!("{}/v1/me", app.url());
    let ask = |token: String| Answer::to(http.get(&url).bearer_auth(token));
    let claims = SessionClaims::of(&app.home().admin.clerk_id);
    let expired = Issuer::sign(&claims.with("exp", serde_json::json!(chrono::Utc::now().timestamp() - 60)).0);
    for _ in 0..3 {
        ask(expired.clone()).await.refusal(401, "token_expired");
    }
    for _ in 0..20 {
        ask("guess".to_owned()).await.refusal(401, "invalid_token");
    }
    let mut refused = ask("guess".to_owned()).await;
    if refused.status == 401 {
        // One is back every three seconds.
        refused = ask("guess".to_owned()).await;
    }
    assert!(number(&refused, "retry-after") <= 3);
    refused.refusal(429, "rate_limited");
    assert_eq!(ask(app.admin().token().to_owned()).await.status, 200);
}

#[tokio::test]
async fn an_address_is_bounded_before_anybody_is_known() {
    let app = limited().env("RATE_LIMIT_PER_ADDRESS", "30").env("TRUSTED_PROXIES", "127.0.0.1").start().await;
    let http = reqwest::Client::builder().build().unwrap();
    let ask = |from: &str| Answer::to(http.get(format!("{}/health", app.url())).header("x-forwarded-for", from));
    let began = Instant::now();
    for _ in 0..30 {
        assert_eq!(ask("203.0.113.7").await.status, 200);
    }
    let refused = ask("203.0.113.7").await;
    if began.elapsed() < Duration::from_secs(2) {
        refused.refusal(429, "rate_limited");
        assert_eq!(number(&refused, "ratelimit-limit"), 30);
        assert!(number(&refused, "retry-after") >= 1);
    }
    assert_eq!(ask("203.0.113.8").await.status, 200, "another address is another caller");
    assert_eq!(refused.header("x-content-type-options"), "nosniff", "a refusal has the headers of every answer");
}

#[tokio::test]
async fn names_in_redis_tell_nobody_who_is_meant() {
    let redis = Throwaway::valkey().await;
    // A small budget takes long enough to come back that its name is seen.
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

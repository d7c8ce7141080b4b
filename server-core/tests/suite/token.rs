//! Session tokens: the service accepts one kind and answers every other with 401.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use reqwest::Method;
use serde_json::{Value, json};
use test_support::{Answer, CoreApp, Issuer, SessionClaims, Stack};

/// Private key that the service does not know.
const FOREIGN: &str = include_str!("foreign_key.pem");

async fn me(app: &CoreApp, authorization: &str) -> Answer {
    let http = reqwest::Client::builder().build().unwrap();
    Answer::to(http.request(Method::GET, format!("{}/v1/me", app.url())).header("authorization", authorization)).await
}

async fn refused(app: &CoreApp, what: &str, token: &str, code: &str) {
    let answer = me(app, &format!("Bearer {token}")).await;
    assert_eq!(answer.status.as_u16(), 401, "{what}: {}", answer.body);
    let refusal = answer.refusal(401, code);
    assert_eq!(refusal.header("www-authenticate"), "Bearer", "{what}");
    assert!(!answer.body.contains(token), "{what}: the token is repeated");
}

fn now() -> i64 {
    chrono::Utc::now().timestamp()
}

fn unsigned(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.", part(header), part(claims))
}

#[tokio::test]
async fn without_a_token_nobody_is_anybody() {
    let app = CoreApp::start().await;
    let http = reqwest::Client::builder().build().unwrap();
    Answer::to(http.get(format!("{}/v1/me", app.url()))).await.refusal(401, "unauthenticated");
    let token = app.admin().token().to_owned();
    for authorization in ["", "Bearer", "Basic YWRtaW46YWRtaW4=", &format!("bearer{token}"), &token] {
        me(&app, authorization).await.refusal(401, "unauthenticated");
    }
    // Credentials are checked before anything else of the request.
    let unparsed = http.post(format!("{}/v1/patients?nonsense=1", app.url())).body("{");
    Answer::to(unparsed).await.refusal(401, "unauthenticated");
}

#[tokio::test]
async fn other_algorithms_are_refused() {
    let app = CoreApp::start().await;
    let claims = SessionClaims::of(&app.home().admin.clerk_id).0;
    let kid = &Stack::get().issuer_kid;
    for alg in ["none", "None", "NONE", ""] {
        refused(&app, alg, &unsigned(&json!({"alg": alg, "typ": "JWT", "kid": kid}), &claims), "invalid_token").await;
    }
    // The public key used as the secret of an HMAC.
    let jwks = Answer::to(
        reqwest::Client::builder().build().unwrap().get(format!("{}/.well-known/jwks.json", Stack::get().issuer_url)),
    );
    let modulus = jwks.await.json(200)["keys"][0]["n"].as_str().unwrap().to_owned();
    for secret in [modulus.as_bytes(), &URL_SAFE_NO_PAD.decode(&modulus).unwrap(), b"secret"] {
        let header = Header { kid: Some(kid.clone()), ..Header::new(Algorithm::HS256) };
        let token = encode(&header, &claims, &EncodingKey::from_secret(secret)).unwrap();
        refused(&app, "HS256", &token, "invalid_token").await;
    }
    let key = EncodingKey::from_rsa_pem(Issuer::pem().as_bytes()).unwrap();
    for algorithm in [Algorithm::RS384, Algorithm::PS256] {
        let header = Header { kid: Some(kid.clone()), ..Header::new(algorithm) };
        refused(&app, "another RSA algorithm", &encode(&header, &claims, &key).unwrap(), "invalid_token").await;
    }
}

#[tokio::test]
async fn other_keys_are_refused() {
    let app = CoreApp::start().await;
    let claims = SessionClaims::of(&app.home().admin.clerk_id).0;
    let foreign = EncodingKey::from_rsa_pem(FOREIGN.as_bytes()).unwrap();
    for kid in [Some(Stack::get().issuer_kid.clone()), Some("unknown".to_owned()), None] {
        let token = encode(&Header { kid: kid.clone(), ..Header::new(Algorithm::RS256) }, &claims, &foreign).unwrap();
        refused(&app, &format!("a foreign key as {kid:?}"), &token, "invalid_token").await;
    }
    // A Telemetry token is signed by Core itself, but is no session token.
    let own = Issuer::sign_telemetry(&claims);
    refused(&app, "Core's own key", &own, "invalid_token").await;
}

#[tokio::test]
async fn an_altered_token_is_refused() {
    let app = CoreApp::start().await;
    let token = app.staff().token().to_owned();
    let parts: Vec<&str> = token.split('.').collect();
    let mut claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(parts[1]).unwrap()).unwrap();
    claims["sub"] = app.home().admin.clerk_id.clone().into();
    let altered = format!("{}.{}.{}", parts[0], URL_SAFE_NO_PAD.encode(claims.to_string()), parts[2]);
    refused(&app, "another subject", &altered, "invalid_token").await;
    let mut signature = URL_SAFE_NO_PAD.decode(parts[2]).unwrap();
    signature[0] ^= 1;
    let altered = format!("{}.{}.{}", parts[0], parts[1], URL_SAFE_NO_PAD.encode(signature));
    refused(&app, "another signature", &altered, "invalid_token").await;
    for cut in
        [format!("{}.{}", parts[0], parts[1]), format!("{}.{}.", parts[0], parts[1]), "a.b.c".into(), "x".repeat(9000)]
    {
        refused(&app, "no token", &cut, "invalid_token").await;
    }
    // The unaltered token is accepted, so the alteration caused the refusals.
    me(&app, &format!("Bearer {token}")).await.json(200);
}

#[tokio::test]
async fn claims_that_break_a_rule_are_refused() {
    let app = CoreApp::start().await;
    let claims = || SessionClaims::of(&app.home().admin.clerk_id);
    let broken = [
        ("another issuer", claims().with("iss", json!("https://evil.example")), "invalid_token"),
        ("a list of issuers", claims().with("iss", json!([Stack::get().issuer_url])), "invalid_token"),
        ("no issuer", claims().with("iss", Value::Null), "invalid_token"),
        ("expired", claims().with("exp", json!(now() - 60)), "token_expired"),
        ("no expiry", claims().with("exp", Value::Null), "invalid_token"),
        ("from the future", claims().with("nbf", json!(now() + 60)), "invalid_token"),
        ("no session", claims().with("sid", Value::Null), "invalid_token"),
        ("an empty session", claims().with("sid", json!("")), "invalid_token"),
        ("another application", claims().with("azp", json!("https://evil.example")), "invalid_token"),
        ("no application", claims().with("azp", Value::Null), "invalid_token"),
        ("no subject", claims().with("sub", Value::Null), "invalid_token"),
        ("a subject that is a number", claims().with("sub", json!(7)), "invalid_token"),
    ];
    for (what, claims, code) in broken {
        refused(&app, what, &Issuer::sign(&claims.0), code).await;
    }
    let stranger = SessionClaims::of("user_that_nobody_knows");
    refused(&app, "an unknown user", &Issuer::sign(&stranger.0), "user_unknown").await;
}

#[tokio::test]
async fn clocks_may_differ_by_five_seconds() {
    let app = CoreApp::start().await;
    let claims = || SessionClaims::of(&app.home().admin.clerk_id);
    for claims in [claims().with("nbf", json!(now() + 3)), claims().with("exp", json!(now() - 1))] {
        me(&app, &format!("Bearer {}", Issuer::sign(&claims.0))).await.json(200);
    }
}

#[tokio::test]
async fn a_token_that_was_believed_expires_all_the_same() {
    let app = CoreApp::start().await;
    // The token is still valid for two seconds, with the leeway of five.
    let claims = SessionClaims::of(&app.home().admin.clerk_id).with("exp", json!(now() - 3));
    let authorization = format!("Bearer {}", Issuer::sign(&claims.0));
    me(&app, &authorization).await.json(200);
    test_support::eventually("the verified token has expired", std::time::Duration::from_secs(6), || async {
        me(&app, &authorization).await.status.as_u16() == 401
    })
    .await;
    me(&app, &authorization).await.refusal(401, "token_expired");
}

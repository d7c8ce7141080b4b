//! Fetching and rotation of keys, and verification while their issuer is down.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "test code: a panic with a clear message is how a test fails"
)]

use super::*;

#[tokio::test]
async fn a_new_key_is_fetched_when_a_token_names_it() {
    let issuer = Issuer::start(vec![PUBLISHED.jwk.clone()]).await;
    let verifier = issuer.verifier();
    assert!(verify(&verifier, &PUBLISHED.sign(&claims(&json!({})))).await.is_ok());
    let token = FOREIGN.sign(&claims(&json!({})));
    assert_eq!(verify(&verifier, &token).await, Err(TokenError::Untrusted));
    issuer.publish(vec![PUBLISHED.jwk.clone(), FOREIGN.jwk.clone()]);
    assert!(verify(&verifier, &token).await.is_ok());
}

#[tokio::test]
async fn unknown_keys_can_not_be_used_to_flood_the_issuer() {
    let issuer = Issuer::start(vec![PUBLISHED.jwk.clone()]).await;
    let verifier = Arc::new(Verifier::new(issuer.jwks_with(Duration::from_mins(10)), rules()));
    assert!(verify(&verifier, &PUBLISHED.sign(&claims(&json!({})))).await.is_ok());
    let tries = (0..50).map(|number| {
        let token = FOREIGN.sign_as(Some(&format!("kid-{number}")), &claims(&json!({})));
        let verifier = Arc::clone(&verifier);
        tokio::spawn(async move { verify(&verifier, &token).await })
    });
    for tried in tries.collect::<Vec<_>>() {
        assert_eq!(tried.await.unwrap(), Err(TokenError::Untrusted));
    }
    assert_eq!(issuer.fetches(), 1);
    assert!(verify(&verifier, &PUBLISHED.sign(&claims(&json!({ "jti": 2 })))).await.is_ok());
}

#[tokio::test]
async fn the_first_tokens_after_the_start_share_one_fetch() {
    let issuer = Issuer::start(vec![PUBLISHED.jwk.clone()]).await;
    let verifier = Arc::new(Verifier::new(issuer.jwks_with(Duration::from_mins(10)), rules()));
    let tries = (0..20).map(|number| {
        let token = PUBLISHED.sign(&claims(&json!({ "jti": number })));
        let verifier = Arc::clone(&verifier);
        tokio::spawn(async move { verify(&verifier, &token).await })
    });
    for tried in tries.collect::<Vec<_>>() {
        assert!(tried.await.unwrap().is_ok());
    }
    assert_eq!(issuer.fetches(), 1);
}

#[tokio::test]
async fn known_keys_outlive_the_issuer() {
    let mut issuer = Issuer::start(vec![PUBLISHED.jwk.clone()]).await;
    let jwks = issuer.jwks();
    let verifier = Verifier::new(jwks.clone(), rules());
    assert!(verify(&verifier, &PUBLISHED.sign(&claims(&json!({})))).await.is_ok());
    issuer.stop().await;

    assert!(jwks.refresh().await.is_err(), "the issuer must be down for this test to mean anything");
    assert!(verify(&verifier, &PUBLISHED.sign(&claims(&json!({ "jti": 2 })))).await.is_ok());
    assert_eq!(verify(&verifier, &FOREIGN.sign(&claims(&json!({})))).await, Err(TokenError::KeysUnavailable));
}

#[tokio::test]
async fn without_any_key_nobody_can_tell() {
    let mut issuer = Issuer::start(vec![PUBLISHED.jwk.clone()]).await;
    let verifier = issuer.verifier();
    issuer.stop().await;
    assert_eq!(verify(&verifier, &PUBLISHED.sign(&claims(&json!({})))).await, Err(TokenError::KeysUnavailable));
}

#[tokio::test]
async fn a_broken_answer_leaves_the_keys_of_before() {
    let issuer = Issuer::start(vec![PUBLISHED.jwk.clone()]).await;
    let jwks = issuer.jwks();
    let verifier = Verifier::new(jwks.clone(), rules());
    assert!(verify(&verifier, &PUBLISHED.sign(&claims(&json!({})))).await.is_ok());
    issuer.publish(vec![]);
    assert!(matches!(jwks.refresh().await, Err(KeyError::NoKeys)));
    assert!(verify(&verifier, &PUBLISHED.sign(&claims(&json!({ "jti": 2 })))).await.is_ok());
}

#[tokio::test]
async fn strange_answers_are_no_keys() {
    let redirect =
        poem::endpoint::make_sync(|_| Response::builder().status(StatusCode::FOUND).header("Location", "/").finish());
    let huge = poem::endpoint::make_sync(|_| " ".repeat(1_000_000));
    let (redirect, _) = serve(redirect).await;
    let (huge, _) = serve(huge).await;
    let answer = async |url| Jwks::new(KeySource::Url(url)).unwrap().refresh().await;
    assert!(matches!(answer(redirect).await, Err(KeyError::Status(status)) if status.as_u16() == 302));
    assert!(matches!(answer(huge).await, Err(KeyError::NoKeys)));
}

#[tokio::test]
async fn a_withdrawn_key_ends_what_was_remembered() {
    let issuer = Issuer::start(vec![PUBLISHED.jwk.clone()]).await;
    let jwks = issuer.jwks();
    let verifier = Verifier::new(jwks.clone(), rules());
    let token = PUBLISHED.sign(&claims(&json!({})));
    assert!(verify(&verifier, &token).await.is_ok());
    issuer.publish(vec![FOREIGN.jwk.clone()]);
    jwks.refresh().await.unwrap();
    assert_eq!(verify(&verifier, &token).await, Err(TokenError::Untrusted));
}

#[tokio::test]
async fn keys_are_kept_fresh_until_shutdown() {
    let issuer = Issuer::start(vec![PUBLISHED.jwk.clone()]).await;
    let timing = JwksTiming { refresh: Duration::from_millis(1), ..JwksTiming::default() };
    let jwks = Jwks::with_timing(KeySource::Url(issuer.url.clone()), timing).unwrap();
    let shutdown = Shutdown::new();
    jwks.keep_fresh(&shutdown);
    tokio::time::timeout(Duration::from_secs(10), async {
        while issuer.fetches() < 3 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    assert!(shutdown.drain(Duration::from_secs(5)).await);
}

#[tokio::test]
async fn a_pem_verifies_whatever_key_the_token_names() {
    // As environments hold it: on one line.
    let pem = PUBLISHED.public_pem.replace('\n', "\\n");
    let verifier = Verifier::new(Jwks::new(KeySource::Pem(pem)).unwrap(), rules());
    for kid in [None, Some("anything")] {
        assert!(verify(&verifier, &PUBLISHED.sign_as(kid, &claims(&json!({})))).await.is_ok());
        assert_eq!(verify(&verifier, &FOREIGN.sign_as(kid, &claims(&json!({})))).await, Err(TokenError::Untrusted));
    }
    assert!(matches!(Jwks::new(KeySource::Pem(PUBLISHED.private_pem.clone())), Err(KeyError::Pem)));
}

//! Refused tokens, and the one that is accepted.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "test code: a panic with a clear message is how a test fails"
)]

use super::*;

#[tokio::test]
async fn a_good_token_is_believed_and_remembered() {
    let issuer = Issuer::start(vec![PUBLISHED.jwk.clone()]).await;
    let verifier = issuer.verifier();
    let token = PUBLISHED.sign(&claims(&json!({})));
    let first = verifier.verify::<Claims>(&token).await.unwrap();
    assert_eq!(*first, Claims { sub: "user_1".into(), sid: "sess_1".into() });
    let second = verifier.verify::<Claims>(&token).await.unwrap();
    assert!(Arc::ptr_eq(&first, &second), "the second answer must come from memory");
    // The same token read as another type is read anew, not taken for the first.
    assert_eq!(verifier.verify::<Value>(&token).await.unwrap()["sub"], "user_1");
    assert_eq!(issuer.fetches(), 1);
}

#[tokio::test]
async fn claims_that_break_a_rule_are_refused() {
    let issuer = Issuer::start(vec![PUBLISHED.jwk.clone()]).await;
    let verifier = issuer.verifier();
    let now = now();
    for (changes, refusal) in [
        (json!({ "iss": "https://other.example" }), TokenError::WrongIssuer),
        (json!({ "iss": [ISSUER, "https://other.example"] }), TokenError::WrongIssuer),
        (json!({ "iss": null }), TokenError::WrongIssuer),
        (json!({ "exp": now - 10 }), TokenError::Expired),
        (json!({ "exp": null }), TokenError::Malformed),
        (json!({ "exp": "tomorrow" }), TokenError::Malformed),
        (json!({ "nbf": now + 60 }), TokenError::NotYetValid),
        (json!({ "nbf": "tomorrow" }), TokenError::Malformed),
        (json!({ "azp": "https://evil.example" }), TokenError::WrongParty),
        (json!({ "azp": [PARTY] }), TokenError::WrongParty),
        (json!({ "azp": null }), TokenError::WrongParty),
        (json!({ "sid": null }), TokenError::NoSession),
        (json!({ "sid": "" }), TokenError::NoSession),
        (json!({ "sub": null }), TokenError::Malformed),
        (json!({ "sub": 7 }), TokenError::Malformed),
    ] {
        assert_eq!(verify(&verifier, &PUBLISHED.sign(&claims(&changes))).await, Err(refusal), "{changes}");
    }
    for (changes, why) in [
        (json!({ "exp": now - 3 }), "within the leeway"),
        (json!({ "nbf": now + 3 }), "within the leeway"),
        (json!({ "nbf": null }), "no nbf"),
        (json!({ "exp": u64::MAX }), "an exp that overflows"),
        (json!({ "aud": "anybody" }), "an aud that nobody asked for"),
    ] {
        assert!(verify(&verifier, &PUBLISHED.sign(&claims(&changes))).await.is_ok(), "{why}");
    }
}

#[tokio::test]
async fn an_audience_is_checked_when_there_is_one() {
    let issuer = Issuer::start(vec![PUBLISHED.jwk.clone()]).await;
    let rules = Rules { audience: Some("telemetry".into()), authorized_parties: vec![], require_sid: false, ..rules() };
    let verifier = Verifier::new(issuer.jwks(), rules);
    for (audience, allowed) in [
        (json!("telemetry"), true),
        (json!(["core", "telemetry"]), true),
        (json!("core"), false),
        (json!([]), false),
        (Value::Null, false),
    ] {
        let answer = verify(&verifier, &PUBLISHED.sign(&claims(&json!({ "aud": audience, "azp": null })))).await;
        assert_eq!(answer.err(), (!allowed).then_some(TokenError::WrongAudience), "{audience}");
    }
}

#[tokio::test]
async fn forged_tokens_are_refused() {
    let issuer = Issuer::start(vec![PUBLISHED.jwk.clone()]).await;
    let verifier = issuer.verifier();
    let good = PUBLISHED.sign(&claims(&json!({})));
    assert!(verify(&verifier, &good).await.is_ok());
    let [header, payload, signature] = good.split('.').collect::<Vec<_>>().try_into().unwrap();

    // Not signed at all.
    let none = part(&json!({ "alg": "none", "typ": "JWT", "kid": PUBLISHED.kid }));
    for token in [format!("{none}.{payload}."), format!("{none}.{payload}.{signature}")] {
        assert_eq!(verify(&verifier, &token).await, Err(TokenError::Malformed));
    }

    // Signed symmetrically, with what everybody knows: the public key.
    let mut hs256 = Header::new(jsonwebtoken::Algorithm::HS256);
    hs256.kid = Some(PUBLISHED.kid.into());
    for secret in [
        PUBLISHED.public_pem.as_bytes(),
        PUBLISHED.public_pem.trim_end().as_bytes(),
        PUBLISHED.jwk["n"].as_str().unwrap().as_bytes(),
    ] {
        let token = encode(&hs256, &claims(&json!({})), &EncodingKey::from_secret(secret)).unwrap();
        assert_eq!(verify(&verifier, &token).await, Err(TokenError::WrongAlgorithm));
    }

    // Signed by the right key with another algorithm of its family.
    for algorithm in [jsonwebtoken::Algorithm::RS512, jsonwebtoken::Algorithm::PS256] {
        let mut other = Header::new(algorithm);
        other.kid = Some(PUBLISHED.kid.into());
        let key = EncodingKey::from_rsa_pem(PUBLISHED.private_pem.as_bytes()).unwrap();
        let token = encode(&other, &claims(&json!({})), &key).unwrap();
        assert_eq!(verify(&verifier, &token).await, Err(TokenError::WrongAlgorithm));
    }

    // Altered.
    let payload_altered = part(&claims(&json!({ "sub": "user_2" })));
    assert_eq!(verify(&verifier, &format!("{header}.{payload_altered}.{signature}")).await, Err(TokenError::Untrusted));
    assert_eq!(verify(&verifier, &format!("{header}.{payload}.")).await, Err(TokenError::Untrusted));
    let other_signature = STANDARD.encode([7; 256]).replace(['+', '/', '='], "A");
    assert_eq!(verify(&verifier, &format!("{header}.{payload}.{other_signature}")).await, Err(TokenError::Untrusted));

    // Signed by somebody else, under each name they could choose.
    for kid in [Some(PUBLISHED.kid), Some(FOREIGN.kid), None] {
        assert_eq!(verify(&verifier, &FOREIGN.sign_as(kid, &claims(&json!({})))).await, Err(TokenError::Untrusted));
    }

    // Bringing its own key, which must not be looked at.
    let mut own = Header::new(jsonwebtoken::Algorithm::RS256);
    own.kid = Some(PUBLISHED.kid.into());
    own.jwk = Some(serde_json::from_value(FOREIGN.jwk.clone()).unwrap());
    own.jku = Some("https://evil.example/jwks.json".into());
    let key = EncodingKey::from_rsa_pem(FOREIGN.private_pem.as_bytes()).unwrap();
    let token = encode(&own, &claims(&json!({})), &key).unwrap();
    assert_eq!(verify(&verifier, &token).await, Err(TokenError::Untrusted));

    // Marked critical by the issuer itself: what isn't understood isn't believed.
    let mut critical = Header::new(jsonwebtoken::Algorithm::RS256);
    critical.kid = Some(PUBLISHED.kid.into());
    critical.crit = Some(vec!["b64".into()]);
    let key = EncodingKey::from_rsa_pem(PUBLISHED.private_pem.as_bytes()).unwrap();
    let token = encode(&critical, &claims(&json!({})), &key).unwrap();
    assert_eq!(verify(&verifier, &token).await, Err(TokenError::Malformed));
}

#[tokio::test]
async fn what_is_no_token_is_refused_before_any_key_is_fetched() {
    let issuer = Issuer::start(vec![PUBLISHED.jwk.clone()]).await;
    let verifier = issuer.verifier();
    let long = "a".repeat(100_000);
    for token in ["", ".", "..", "a.b.c", "a.b", "a.b.c.d", "\u{1f9e8}.\u{1f9e8}.\u{1f9e8}", &long] {
        assert_eq!(verify(&verifier, token).await, Err(TokenError::Malformed), "{}", &token[..token.len().min(9)]);
    }
    assert_eq!(issuer.fetches(), 0);
}

#[tokio::test]
async fn an_expired_token_is_not_believed_from_memory() {
    let issuer = Issuer::start(vec![PUBLISHED.jwk.clone()]).await;
    let verifier = Verifier::new(issuer.jwks(), Rules { leeway: Duration::ZERO, ..rules() });
    let token = PUBLISHED.sign(&claims(&json!({ "exp": now() + 1 })));
    assert!(verify(&verifier, &token).await.is_ok());
    let refused = tokio::time::timeout(Duration::from_secs(10), async {
        loop {
            match verify(&verifier, &token).await {
                Ok(_) => tokio::task::yield_now().await,
                Err(error) => return error,
            }
        }
    });
    assert_eq!(refused.await, Ok(TokenError::Expired));
}

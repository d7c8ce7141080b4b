//! Tokens that we sign ourselves.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "test code: a panic with a clear message is how a test fails"
)]

use super::*;

/// An Ed25519 private key as `openssl genpkey` writes it.
fn ed25519_pem(seed: &[u8; 32]) -> String {
    let der =
        [&[0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20], &seed[..]]
            .concat();
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(der))
}

#[tokio::test]
async fn our_own_tokens_are_verified_against_our_own_keys() {
    let signer = Ed25519Signer::from_pkcs8_pem(&ed25519_pem(Key32::generate().expose())).unwrap();
    let other = Ed25519Signer::from_pkcs8_pem(&ed25519_pem(Key32::generate().expose())).unwrap();
    let issuer = Issuer::start(signer.jwks()["keys"].as_array().unwrap().clone()).await;
    let rules = Rules {
        algorithm: Algorithm::EdDsa,
        issuer: "restartix-core".into(),
        audience: Some("restartix-telemetry".into()),
        authorized_parties: vec![],
        require_sid: false,
        leeway: Duration::from_secs(5),
    };
    let verifier = Verifier::new(issuer.jwks(), rules);
    let claims =
        json!({ "iss": "restartix-core", "aud": "restartix-telemetry", "sub": "7", "org": 3, "exp": now() + 600 });
    let token = signer.sign(&claims).unwrap();
    assert_eq!(*verifier.verify::<Value>(&token).await.unwrap(), claims);
    assert_eq!(verifier.verify::<Value>(&other.sign(&claims).unwrap()).await.unwrap_err(), TokenError::Untrusted);
    // A session token's algorithm is no telemetry token's, even if its key were published here.
    issuer.publish(vec![PUBLISHED.jwk.clone()]);
    assert_eq!(verifier.verify::<Value>(&PUBLISHED.sign(&claims)).await.unwrap_err(), TokenError::WrongAlgorithm);
}

#[test]
fn a_signer_is_known_by_its_public_key() {
    // RFC 8037, appendix A.2: this seed has this public key.
    let seed = URL_SAFE_NO_PAD.decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").unwrap();
    let pem = ed25519_pem(&seed.try_into().unwrap());
    let signer = Ed25519Signer::from_pkcs8_pem(&pem).unwrap();
    assert_eq!(
        signer.jwks(),
        json!({ "keys": [{
            "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
            "kid": signer.kid(), "use": "sig", "alg": "EdDSA",
        }] })
    );
    assert_eq!(signer.kid(), "21fe31dfa154a261");
    assert_eq!(Ed25519Signer::from_pkcs8_pem(&pem.replace('\n', "\\n")).unwrap().kid(), signer.kid());
    assert!(!format!("{signer:?}").contains("PRIVATE"));
}

#[test]
fn only_ed25519_keys_sign() {
    for pem in ["", "key", &PUBLISHED.private_pem, &PUBLISHED.public_pem] {
        assert_eq!(Ed25519Signer::from_pkcs8_pem(pem).unwrap_err(), SignError::Key);
    }
}

#[test]
fn statements_are_believed_while_their_key_is_known() {
    let signer = || Ed25519Signer::from_pkcs8_pem(&ed25519_pem(Key32::generate().expose())).unwrap();
    let (former, present) = (signer(), signer());
    let x = former.jwks()["keys"][0]["x"].as_str().unwrap().to_owned();
    let old = Statements::new::<String>(former, &[]).unwrap();
    let new = Statements::new(present, &[x]).unwrap();
    let said = json!({ "position": 7 });
    assert_eq!(new.verify::<Value>(&new.sign(&said).unwrap()), Some(said.clone()));
    assert_eq!(new.verify::<Value>(&old.sign(&said).unwrap()), Some(said.clone()), "the key was rotated");
    assert_eq!(old.verify::<Value>(&new.sign(&said).unwrap()), None, "a key that is not known");
    let statement = new.sign(&said).unwrap();
    let (unsigned, _) = statement.rsplit_once('.').unwrap();
    assert_eq!(new.verify::<Value>(&format!("{unsigned}.")), None);
    assert_eq!(new.jwks()["keys"].as_array().unwrap().len(), 2);
    assert!(Statements::new(signer(), &["short"]).is_err());
}

//! Signatures of webhooks: the scheme of Svix, which became Standard Webhooks.
//!
//! The sender signs `id.timestamp.body` with HMAC-SHA-256 and sends one signature for each of its
//! secrets, `v1,<base64> v1,<base64>`, so that a secret can be changed without a gap. The signature covers the bytes
//! of the body: parsed and printed again, the body differs.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretSlice};
use sha2::Sha256;
use thiserror::Error;

/// Longest age of a message, and largest difference between the clocks of sender and receiver.
const TOLERANCE_SECONDS: u64 = 5 * 60;

/// Longest id, which is longer than any in use. Ids are stored, so their length is limited.
const ID_MAX: usize = 200;

const PREFIX: &str = "whsec_";

/// The secret of one endpoint, as Clerk and Svix write it: `whsec_` and base64.
pub struct WebhookSecret(SecretSlice<u8>);

/// Reason why a message is refused. Holds nothing of the secret or of the right signature.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum WebhookError {
    /// The id is missing or can't be stored.
    #[error("the message has no id")]
    NoId,
    /// The timestamp is no whole number of seconds.
    #[error("the message has no timestamp")]
    NoTimestamp,
    /// Signed too long ago, or by a clock that is ahead. It prevents that a recorded message is sent again later.
    #[error("the message is too old, or its timestamp is in the future")]
    OutsideWindow,
    /// No signature is valid for this secret, id, timestamp and body.
    #[error("no signature of the message is valid")]
    Unsigned,
}

impl WebhookSecret {
    /// Reads `whsec_…`; `None` for anything else, and for secrets too short to be one.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = STANDARD.decode(text.strip_prefix(PREFIX)?).ok()?;
        (16..=128).contains(&bytes.len()).then(|| Self(bytes.into()))
    }

    /// Checks that the message was signed with this secret, and recently. `id`, `timestamp` and the signatures are the
    /// texts of the headers; `now` is in seconds since 1970.
    pub fn verify(
        &self,
        id: &str,
        timestamp: &str,
        signatures: &str,
        body: &[u8],
        now: i64,
    ) -> Result<(), WebhookError> {
        if id.is_empty() || id.len() > ID_MAX || !id.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(WebhookError::NoId);
        }
        // Rust would parse `+1` too; the signature covers the text, so only one form is accepted.
        let digits = timestamp.bytes().all(|byte| byte.is_ascii_digit());
        let signed_at = timestamp.parse::<i64>().ok().filter(|_| digits).ok_or(WebhookError::NoTimestamp)?;
        if signed_at.abs_diff(now) > TOLERANCE_SECONDS {
            return Err(WebhookError::OutsideWindow);
        }
        let mac = self.mac(id, timestamp, body).ok_or(WebhookError::Unsigned)?;
        let valid = signatures
            .split(' ')
            .filter_map(|signature| signature.strip_prefix("v1,"))
            .filter_map(|signature| STANDARD.decode(signature).ok())
            // Compares in constant time.
            .any(|signature| mac.clone().verify_slice(&signature).is_ok());
        if valid { Ok(()) } else { Err(WebhookError::Unsigned) }
    }

    fn mac(&self, id: &str, timestamp: &str, body: &[u8]) -> Option<Hmac<Sha256>> {
        // HMAC takes keys of any length, so this is never `None`.
        let mac = Hmac::<Sha256>::new_from_slice(self.0.expose_secret()).ok()?;
        Some(mac.chain_update(id).chain_update(".").chain_update(timestamp).chain_update(".").chain_update(body))
    }
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the Svix documentation.
    const SECRET: &str = "whsec_plJ3nmyCDGBKInavdOK15jsl";
    const ID: &str = "msg_loFOjxBNrRLzqYUf";
    const AT: &str = "1731705121";
    const BODY: &[u8] = br#"{"event_type":"ping","data":{"success":true}}"#;
    const SIGNATURE: &str = "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0=";
    const NOW: i64 = 1_731_705_121;

    fn verify(id: &str, at: &str, signatures: &str, body: &[u8], now: i64) -> Result<(), WebhookError> {
        WebhookSecret::parse(SECRET).unwrap().verify(id, at, signatures, body, now)
    }

    #[test]
    fn a_signed_message_is_believed_for_five_minutes_either_way() {
        assert_eq!(verify(ID, AT, SIGNATURE, BODY, NOW), Ok(()));
        for (now, answer) in [
            (NOW + 300, Ok(())),
            (NOW - 300, Ok(())),
            (NOW + 301, Err(WebhookError::OutsideWindow)),
            (NOW - 301, Err(WebhookError::OutsideWindow)),
        ] {
            assert_eq!(verify(ID, AT, SIGNATURE, BODY, now), answer, "{now}");
        }
    }

    #[test]
    fn one_valid_signature_among_several_is_enough() {
        let other = format!("v1,{}", STANDARD.encode([7; 32]));
        assert_eq!(verify(ID, AT, &format!("{other} {SIGNATURE}"), BODY, NOW), Ok(()));
        assert_eq!(verify(ID, AT, &format!("v1a,xyz {SIGNATURE} {other}"), BODY, NOW), Ok(()));
        assert_eq!(verify(ID, AT, &other, BODY, NOW), Err(WebhookError::Unsigned));
    }

    #[test]
    fn whatever_was_altered_is_refused() {
        let unsigned = Err(WebhookError::Unsigned);
        assert_eq!(verify("msg_other", AT, SIGNATURE, BODY, NOW), unsigned);
        assert_eq!(verify(ID, "1731705122", SIGNATURE, BODY, NOW), unsigned);
        assert_eq!(verify(ID, "01731705121", SIGNATURE, BODY, NOW), unsigned);
        assert_eq!(verify(ID, AT, SIGNATURE, &BODY[1..], NOW), unsigned);
        for signatures in ["", "v1,", "v1", &SIGNATURE[3..], &SIGNATURE.replace("v1,", "v2,"), &SIGNATURE[..20]] {
            assert_eq!(verify(ID, AT, signatures, BODY, NOW), unsigned, "{signatures}");
        }
        for id in ["", " ", "msg\n", &"x".repeat(201)] {
            assert_eq!(verify(id, AT, SIGNATURE, BODY, NOW), Err(WebhookError::NoId), "{id}");
        }
        for at in ["", "now", "+1731705121", "-1", "1731705121.0", "99999999999999999999"] {
            assert_eq!(verify(ID, at, SIGNATURE, BODY, NOW), Err(WebhookError::NoTimestamp), "{at}");
        }
    }

    #[test]
    fn secrets_have_their_form_and_show_nothing() {
        for text in ["", "whsec_", "plJ3nmyCDGBKInavdOK15jsl", "whsec_AAAA", "whsec_not base64", "whsec_%%%"] {
            assert!(WebhookSecret::parse(text).is_none(), "{text}");
        }
        let shown = format!("{:?}", WebhookSecret::parse(SECRET).unwrap());
        assert!(!shown.contains("plJ3") && !shown.contains("166"), "{shown}");
    }
}

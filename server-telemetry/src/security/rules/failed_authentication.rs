//! Many wrong credentials from one address.

use super::{Rule, Sign, Subject, attack_path::is_attack};
use crate::{audit::NewAuditEvent, security::model::SecuritySeverity};

pub(super) const RULE: Rule = Rule {
    kind: "failed_authentication",
    severity: SecuritySeverity::High,
    limit: |config| config.failed_authentication,
    sign,
};

/// Code for genuine credentials that have expired, which nobody has guessed.
const EXPIRED: &str = "token_expired";

fn sign(event: &NewAuditEvent) -> Option<Sign<'_>> {
    let expired = event.error_code.as_ref().is_some_and(|code| code.as_ref() == EXPIRED);
    let wrong = !expired && !is_attack(event);
    wrong.then(|| Subject::stranger(event)).flatten().map(Sign::of)
}

#[cfg(test)]
mod tests {
    use super::{super::tests::refused, *};

    #[test]
    fn expired_credentials_and_scanners_do_not_count() {
        let address = Subject::Address("203.0.113.77".parse().unwrap());
        let guess = refused(("patient", "list"), "invalid_api_key");
        assert_eq!(sign(&guess), Some(Sign::of(address)));
        assert_eq!(sign(&refused(("patient", "list"), EXPIRED)), None);
        assert_eq!(sign(&refused(("attack", "blocked"), "secrets")), None);
    }
}

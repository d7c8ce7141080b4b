//! The servers' environments. See `.env.example` for the meaning of each variable.

use std::collections::BTreeMap;
use std::env;
use std::fmt::Write as _;
use std::process::Command;

use super::keys::Keys;
use super::stores::Endpoints;
use super::tokens::{AUTHORIZED_PARTY, TELEMETRY_ISSUER};

/// A server's variables by name.
pub(crate) type Environment = BTreeMap<&'static str, String>;

/// Core's environment.
pub(crate) fn core(endpoints: &Endpoints, keys: &Keys, port: u16, telemetry_port: u16) -> Environment {
    let mut variables = both(endpoints, keys, port);
    variables.extend([
        ("DATABASE_URL", endpoints.database_url.clone()),
        ("DATABASE_APP_URL", endpoints.database_app_url.clone()),
        ("CLERK_ISSUER", endpoints.issuer_url.clone()),
        ("CLERK_AUTHORIZED_PARTIES", AUTHORIZED_PARTY.to_owned()),
        // The local issuer answers for Clerk's API, too.
        ("CLERK_API_URL", endpoints.issuer_url.clone()),
        ("CLERK_SECRET_KEY", chosen("CLERK_SECRET_KEY", "sk_test_development")),
        ("CLERK_WEBHOOK_SECRET", chosen("CLERK_WEBHOOK_SECRET", &keys.secrets.clerk_webhook_secret)),
        ("ENCRYPTION_KEY", chosen("ENCRYPTION_KEY", &keys.secrets.encryption_key)),
        ("BLIND_INDEX_KEY", chosen("BLIND_INDEX_KEY", &keys.secrets.blind_index_key)),
        ("API_KEY_PEPPER", chosen("API_KEY_PEPPER", &keys.secrets.api_key_pepper)),
        ("TELEMETRY_INTERNAL_URL", format!("http://127.0.0.1:{telemetry_port}")),
        ("TELEMETRY_TOKEN_KEY", on_one_line(&keys.telemetry_pem)),
        ("AWS_ACCESS_KEY_ID", endpoints.s3.access_key.clone()),
        ("AWS_SECRET_ACCESS_KEY", endpoints.s3.secret_key.clone()),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_BUCKET_NAME", endpoints.s3.bucket.clone()),
        ("S3_ENDPOINT", endpoints.s3.endpoint.clone()),
        ("DAILY_API_KEY", keys.secrets.daily_api_key.clone()),
        ("DAILY_REST_DOMAIN", format!("{}/v1", endpoints.daily_url)),
    ]);
    variables
}

/// Telemetry's environment.
pub(crate) fn telemetry(endpoints: &Endpoints, keys: &Keys, port: u16, core_port: u16) -> Environment {
    let mut variables = both(endpoints, keys, port);
    variables.extend([
        ("TELEMETRY_DATABASE_URL", endpoints.telemetry_database_url.clone()),
        ("TELEMETRY_DATABASE_APP_URL", endpoints.telemetry_database_app_url.clone()),
        ("CLICKHOUSE_URL", endpoints.clickhouse_url.clone()),
        ("TELEMETRY_HASH_KEY", chosen("TELEMETRY_HASH_KEY", &keys.secrets.telemetry_hash_key)),
        ("AUDIT_HEAD_KEY", chosen("AUDIT_HEAD_KEY", &on_one_line(&keys.audit_head_pem))),
        ("CORE_JWKS_URL", format!("http://127.0.0.1:{core_port}/.well-known/jwks.json")),
        ("CORE_ISSUER", TELEMETRY_ISSUER.to_owned()),
        // One instance beside its stores: no row is in transit for longer.
        ("ERASURE_SETTLE", "1s".to_owned()),
    ]);
    variables
}

/// A PEM as environments hold it.
fn on_one_line(pem: &str) -> String {
    pem.trim_end().replace('\n', "\\n")
}

fn both(endpoints: &Endpoints, keys: &Keys, port: u16) -> Environment {
    Environment::from([
        ("APP_ENV", "development".to_owned()),
        ("HOST", "127.0.0.1".to_owned()),
        ("PORT", port.to_string()),
        ("LOG_LEVEL", chosen("LOG_LEVEL", "info")),
        ("METRICS_TOKEN", keys.secrets.metrics_token.clone()),
        ("REDIS_URL", endpoints.redis_url.clone()),
        // Tools and tests ask more than people do; a test of the limits sets its own.
        ("RATE_LIMIT_SCALE", chosen("RATE_LIMIT_SCALE", "10000")),
        ("CONNECTIONS_PER_ADDRESS", chosen("CONNECTIONS_PER_ADDRESS", "4000")),
        ("CORS_ALLOWED_ORIGINS", chosen("CORS_ALLOWED_ORIGINS", AUTHORIZED_PARTY)),
        ("TELEMETRY_INTERNAL_TOKEN", keys.secrets.telemetry_internal_token.clone()),
    ])
}

/// A variable of the developer's own environment, or what we would set: data in a database that the environment names
/// can be read with the keys that it names only.
fn chosen(name: &str, otherwise: &str) -> String {
    env::var(name).ok().filter(|value| !value.is_empty()).unwrap_or_else(|| otherwise.to_owned())
}

/// Gives a command these variables and, of our own environment, only those that every program needs: a developer's
/// exported variables must not change a server's behaviour unnoticed.
pub(crate) fn apply(command: &mut Command, variables: &Environment) {
    command.env_clear();
    for name in ["PATH", "HOME", "TMPDIR", "RUST_BACKTRACE"] {
        if let Some(value) = env::var_os(name) {
            command.env(name, value);
        }
    }
    command.envs(variables);
}

/// The variables as a file that a shell can source: `set -a; . target/dev/core.env`.
pub(crate) fn file(variables: &Environment) -> String {
    let mut text = String::new();
    for (name, value) in variables {
        // A quote inside single quotes: end them, add an escaped one, begin again.
        let quoted = value.replace('\'', "'\\''");
        let _ = writeln!(text, "{name}='{quoted}'");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_the_file_back() {
        let variables = Environment::from([("A", "it's $HOME".to_owned()), ("B", "x\\ny \"z\"".to_owned())]);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("env");
        std::fs::write(&path, file(&variables)).unwrap();
        let script = format!("set -a; . '{}'; printenv A B", path.display());
        let output = Command::new("sh").arg("-c").arg(script).output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), "it's $HOME\nx\\ny \"z\"\n");
    }
}

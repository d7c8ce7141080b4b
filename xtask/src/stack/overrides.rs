//! Stores that the developer's environment names: used as they are, neither started nor stopped.

use std::env;

/// The stores' addresses as the environment gives them. A store is started when any of its addresses is missing.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Overrides {
    pub(crate) database_url: Option<String>,
    pub(crate) database_app_url: Option<String>,
    pub(crate) telemetry_database_url: Option<String>,
    pub(crate) telemetry_database_app_url: Option<String>,
    pub(crate) clickhouse_url: Option<String>,
    pub(crate) redis_url: Option<String>,
    pub(crate) s3: Option<S3>,
}

/// An S3 service with its credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct S3 {
    pub(crate) endpoint: String,
    pub(crate) access_key: String,
    pub(crate) secret_key: String,
    pub(crate) bucket: String,
}

/// The bucket that servers use unless the environment names another.
pub(crate) const BUCKET: &str = "restartix";

impl Overrides {
    /// Reads the addresses that the environment of this process names.
    pub(crate) fn from_environment() -> Self {
        Self::from(|name| env::var(name).ok())
    }

    fn from(variable: impl Fn(&str) -> Option<String>) -> Self {
        let get = |name: &str| variable(name).filter(|value| !value.is_empty());
        Self {
            database_url: get("DATABASE_URL"),
            database_app_url: get("DATABASE_APP_URL"),
            telemetry_database_url: get("TELEMETRY_DATABASE_URL"),
            telemetry_database_app_url: get("TELEMETRY_DATABASE_APP_URL"),
            clickhouse_url: get("CLICKHOUSE_URL"),
            redis_url: get("REDIS_URL"),
            s3: get("S3_ENDPOINT").map(|endpoint| S3 {
                endpoint,
                access_key: get("AWS_ACCESS_KEY_ID").unwrap_or_default(),
                secret_key: get("AWS_SECRET_ACCESS_KEY").unwrap_or_default(),
                bucket: get("AWS_BUCKET_NAME").unwrap_or_else(|| BUCKET.to_owned()),
            }),
        }
    }

    /// Returns `true` if all four PostgreSQL addresses are given.
    pub(crate) fn postgres(&self) -> bool {
        self.database_url.is_some()
            && self.database_app_url.is_some()
            && self.telemetry_database_url.is_some()
            && self.telemetry_database_app_url.is_some()
    }

    /// Returns `true` if a store has to be started.
    pub(crate) fn incomplete(&self) -> bool {
        !self.postgres() || self.clickhouse_url.is_none() || self.redis_url.is_none() || self.s3.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_given_only_when_all_of_it_is() {
        let two = Overrides::from(|name| (name.contains("DATABASE_APP_URL")).then(|| format!("postgres://{name}")));
        assert!(!two.postgres() && two.incomplete());
        let all = Overrides::from(|name| (name != "AWS_BUCKET_NAME").then(|| "value".into()));
        assert!(all.postgres() && !all.incomplete());
        assert_eq!(all.s3.unwrap().bucket, BUCKET);
        assert_eq!(Overrides::from(|_| Some(String::new())), Overrides::default(), "an empty variable names nothing");
    }
}

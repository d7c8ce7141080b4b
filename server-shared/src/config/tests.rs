//! Reading, layering, and what faults say (and don't).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "test code: a panic with a clear message is how a test fails"
)]

use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::*;
use crate::crypto::Key32;
use crate::logging::LogLevel;

const KEY: &str = "00000000000000000000000000000000000000000000000000000000000000e5";

fn one<T: Setting>(text: &str) -> Option<T> {
    Settings::from_pairs([("NAME", text)]).required("NAME")
}

/// A file that is gone when the test is over.
struct TempFile(PathBuf);

impl TempFile {
    fn new(content: &str) -> Self {
        let path = std::env::temp_dir().join(format!("restartix-{}.toml", uuid::Uuid::new_v4()));
        std::fs::write(&path, content).unwrap();
        Self(path)
    }

    fn path(&self) -> String {
        self.0.to_str().unwrap().to_owned()
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).ok();
    }
}

fn with_file(file: &TempFile, pairs: &[(&str, &str)]) -> Settings {
    let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Settings::layered(pairs, &file.0)
}

#[test]
fn every_type_is_read() {
    assert_eq!(one::<String>(" clinic ").unwrap(), "clinic");
    assert_eq!(one::<SecretString>("s3cret").unwrap().expose_secret(), "s3cret");
    assert_eq!((one::<bool>("true"), one::<bool>("0"), one::<bool>("maybe")), (Some(true), Some(false), None));
    assert_eq!(
        (one::<u16>("65535"), one::<u16>("65536"), one::<u16>("-1"), one::<u16>("+1")),
        (Some(65535), None, None, None)
    );
    assert_eq!((one::<u32>("4294967295"), one::<u32>("x")), (Some(u32::MAX), None));
    assert_eq!((one::<u64>("7"), one::<usize>("7")), (Some(7), Some(7)));
    assert_eq!(one::<LogLevel>("DEBUG"), Some(LogLevel::Debug));
    assert_eq!(one::<Environment>("development"), Some(Environment::Development));
    assert_eq!(one::<Environment>("staging"), None);
    assert_eq!(one::<PathBuf>("/tmp/x"), Some("/tmp/x".into()));
    assert_eq!(hex::encode(one::<Key32>(KEY).unwrap().expose()), KEY);
    assert_eq!(one::<Vec<Key32>>(&format!("{KEY}, {KEY}")).unwrap().len(), 2);
    assert!(one::<Vec<Key32>>(&format!("{KEY},x")).is_none());
    assert_eq!(one::<Vec<String>>("a, b,,c,"), Some(vec!["a".into(), "b".into(), "c".into()]));
    let networks: Vec<IpNet> = vec!["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()];
    assert_eq!(one::<Vec<IpNet>>("10.0.0.0/8,::1"), Some(networks));
    assert!(one::<Vec<IpNet>>("10.0.0.0/33").is_none());
}

#[test]
fn durations_need_a_unit() {
    for (text, milliseconds) in
        [("250ms", 250), ("30s", 30_000), ("5m", 300_000), ("1h", 3_600_000), ("2d", 172_800_000)]
    {
        assert_eq!(one::<Duration>(text), Some(Duration::from_millis(milliseconds)), "{text}");
    }
    for text in ["30", "s", "1.5s", "-1s", "30 s", "1w", "18446744073709551615d"] {
        assert_eq!(one::<Duration>(text), None, "{text}");
    }
}

#[test]
fn urls_need_a_host() {
    assert_eq!(one::<Url>("redis://localhost:6379/0").unwrap().port(), Some(6379));
    for text in ["localhost:9000", "example.org", "/path", "mailto:a@example.org"] {
        assert!(one::<Url>(text).is_none(), "{text}");
    }
}

#[test]
fn all_faults_come_at_once_in_the_order_of_reading() {
    let mut settings =
        Settings::from_pairs([("PORT", "many"), ("DATABASE_URL", "  "), ("DB_POOL_MIN", "9"), ("DB_POOL_MAX", "3")]);
    let port = settings.or("PORT", 9000_u16);
    let url = settings.required::<SecretString>("DATABASE_URL");
    let key = settings.required::<Key32>("ENCRYPTION_KEY");
    let (min, max) = (settings.or("DB_POOL_MIN", 5_u32), settings.or("DB_POOL_MAX", 25_u32));
    if min > max {
        settings.fault("DB_POOL_MIN", "at most DB_POOL_MAX");
    }
    let faults = settings.finish(|| Some((port?, url?, key?))).err().unwrap();
    assert_eq!(
        faults.to_string().lines().collect::<Vec<_>>(),
        [
            "PORT: malformed; should be a whole number from 0 to 65535",
            "DATABASE_URL: missing; should be a secret",
            "ENCRYPTION_KEY: missing; should be 64 hexadecimal digits (openssl rand -hex 32)",
            "DB_POOL_MIN: should be at most DB_POOL_MAX",
        ]
    );
    assert_eq!(
        faults.iter().map(ConfigFault::name).collect::<Vec<_>>(),
        ["PORT", "DATABASE_URL", "ENCRYPTION_KEY", "DB_POOL_MIN"]
    );
}

#[test]
fn without_a_fault_the_configuration_is_built() {
    let mut settings = Settings::from_pairs([("PORT", "1")]);
    let (port, host) = (settings.required::<u16>("PORT"), settings.or("HOST", "0.0.0.0".to_owned()));
    let token = settings.optional::<SecretString>("METRICS_TOKEN");
    let (port, host, token) = settings.finish(|| Some((port?, host?, token?))).unwrap();
    assert_eq!((port, host.as_str(), token.is_none()), (1, "0.0.0.0", true));
}

#[test]
fn a_check_that_gives_up_silently_is_a_fault() {
    assert!(Settings::from_pairs([]).finish(|| None::<()>).is_err());
}

#[test]
fn no_value_is_ever_shown() {
    let mut settings = Settings::from_pairs([("ENCRYPTION_KEY", "hunter2"), ("CLERK_SECRET_KEY", "hunter2")]);
    assert!(settings.required::<Key32>("ENCRYPTION_KEY").is_none());
    assert!(settings.required::<SecretString>("CLERK_SECRET_KEY").is_some());
    assert!(!format!("{settings:?}").contains("hunter2"));
    let faults = settings.finish(|| Some(())).unwrap_err();
    assert!(!faults.to_string().contains("hunter2") && !format!("{faults:?}").contains("hunter2"), "{faults}");
}

#[test]
fn the_environment_wins_over_the_file_and_emptiness_does_not() {
    let file = TempFile::new(
        "PORT = 9001\nHOST = '127.0.0.1'\nAPP_DOMAIN = 'file.example'\nCLERK_AUTHORIZED_PARTIES = ['a', 'b']\nFLAG = true\n",
    );
    let mut settings = with_file(&file, &[("PORT", "9002"), ("APP_DOMAIN", "")]);
    assert_eq!(settings.required::<u16>("PORT"), Some(9002));
    assert_eq!(settings.required::<String>("HOST").unwrap(), "127.0.0.1");
    assert_eq!(settings.required::<String>("APP_DOMAIN").unwrap(), "file.example");
    assert_eq!(settings.required::<Vec<String>>("CLERK_AUTHORIZED_PARTIES"), Some(vec!["a".into(), "b".into()]));
    assert_eq!(settings.required::<bool>("FLAG"), Some(true));
    settings.finish(|| Some(())).unwrap();
}

#[test]
fn a_key_that_looks_like_a_number_stays_a_key() {
    let file = TempFile::new(&format!("BLIND_INDEX_KEY = '{KEY}'\n"));
    let mut settings = with_file(&file, &[("ENCRYPTION_KEY", KEY)]);
    for name in ["BLIND_INDEX_KEY", "ENCRYPTION_KEY"] {
        assert_eq!(hex::encode(settings.required::<Key32>(name).unwrap().expose()), KEY);
    }
}

#[test]
fn a_broken_file_is_a_fault_that_tells_the_line_and_not_the_content() {
    let file = TempFile::new("PORT = 9000\nSECRET = 'hunter2\n");
    let faults = with_file(&file, &[]).finish(|| Some(())).unwrap_err().to_string();
    assert!(faults.starts_with("restartix.toml: should be valid TOML") && faults.contains("line 2"), "{faults}");
    assert!(!faults.contains("hunter2"), "{faults}");

    let file = TempFile::new("[database]\nurl = 'hunter2'\n");
    let faults = with_file(&file, &[]).finish(|| Some(())).unwrap_err().to_string();
    assert_eq!(faults, "database: should be text, a number, true, false or a list of these");
}

#[test]
fn a_file_that_is_named_must_be_there() {
    let file = TempFile::new("PORT = 9001\n");
    let absent = PathBuf::from("/nonexistent/restartix.toml");
    let load = |named: &str| Settings::layered([("RESTARTIX_CONFIG".to_owned(), named.to_owned())], &absent);
    assert_eq!(load(&file.path()).required::<u16>("PORT"), Some(9001));
    let faults = load("/nonexistent/other.toml").finish(|| Some(())).unwrap_err();
    assert_eq!(faults.iter().next().unwrap().name(), "RESTARTIX_CONFIG");
    Settings::layered([], &absent).finish(|| Some(())).unwrap();
}

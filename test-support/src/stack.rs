//! The running test stack, as `cargo xtask test` describes it.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use serde::Deserialize;

const VARIABLE: &str = "RESTARTIX_TEST_STACK";

/// Addresses and paths of the stack. See `xtask/src/stack/stack_file.rs` for the meaning of each field.
#[derive(Debug, Deserialize)]
#[allow(missing_docs, reason = "the fields are those of stack.json, described there")]
pub struct Stack {
    pub core: String,
    pub clickhouse_url: String,
    pub redis_url: String,
    pub s3_endpoint: String,
    pub s3_access_key: String,
    pub s3_secret_key: String,
    pub redis_databases: u16,
    pub telemetry_internal_token: String,
    pub issuer_url: String,
    pub issuer_key_pem_path: PathBuf,
    pub issuer_kid: String,
    pub authorized_party: String,
    pub telemetry_key_pem_path: PathBuf,
    pub telemetry_kid: String,
    pub postgres_superuser_url: String,
    pub pg_bin: PathBuf,
    pub bin_dir: PathBuf,
    pub template_core: String,
    pub template_telemetry: String,
    pub env: Environments,
    pub launch: Launch,
    /// The directory of the file: the state of the stack.
    #[serde(skip)]
    pub state: PathBuf,
}

/// The complete environment of each server.
#[derive(Debug, Deserialize)]
#[allow(missing_docs, reason = "one a server")]
pub struct Environments {
    pub core: BTreeMap<String, String>,
    pub telemetry: BTreeMap<String, String>,
}

/// Commands and environment that start throwaway servers.
#[derive(Debug, Deserialize)]
#[allow(missing_docs, reason = "one a server")]
pub struct Launch {
    pub account: Option<Account>,
    pub valkey: Program,
    pub clickhouse: Program,
}

/// The account that stores run under when the tests run as root.
#[derive(Debug, Clone, Copy, Deserialize)]
#[allow(missing_docs, reason = "as the system calls them")]
pub struct Account {
    pub uid: u32,
    pub gid: u32,
}

/// A program and its arguments, with `{data}` and `{port}` in them.
#[derive(Debug, Deserialize)]
#[allow(missing_docs, clippy::struct_field_names, reason = "as stack.json calls them")]
pub struct Program {
    pub program: PathBuf,
    pub args: Vec<String>,
    pub account: bool,
}

impl Stack {
    /// The stack of this run.
    ///
    /// # Panics
    /// Panics if there is no stack: `cargo xtask test` starts it.
    pub fn get() -> &'static Self {
        static STACK: OnceLock<Stack> = OnceLock::new();
        STACK.get_or_init(|| {
            #[allow(clippy::disallowed_methods, reason = "the one variable of the tests")]
            let path = std::env::var(VARIABLE).unwrap_or_else(|_| {
                panic!(
                    "{VARIABLE} is not set: run `cargo xtask test`, or `cargo xtask test --stack-only` and set it to \
                     the path that prints"
                )
            });
            Self::read(Path::new(&path))
        })
    }

    fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap_or_else(|error| {
            panic!("{}: {error}: the stack of {VARIABLE} does not run any more", path.display())
        });
        let mut stack: Self = serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("{}: {error}: it is no stack.json of a test run", path.display()));
        stack.state = path.parent().unwrap_or(Path::new(".")).to_path_buf();
        stack
    }

    /// The program `name` that cargo built beside the test executable, or beside the stack's own.
    pub fn binary(&self, name: &str) -> PathBuf {
        let own = std::env::current_exe().ok();
        let beside = own.as_deref().and_then(Path::parent).and_then(Path::parent).map(|dir| dir.join(name));
        let path = beside.filter(|path| path.is_file()).unwrap_or_else(|| self.bin_dir.join(name));
        assert!(path.is_file(), "{} is not built: cargo build --workspace --bins", path.display());
        path
    }

    /// A program of PostgreSQL, e.g. `pg_dump`.
    pub fn postgres_program(&self, name: &str) -> PathBuf {
        self.pg_bin.join(name)
    }

    /// The address of PostgreSQL, `host:port`.
    pub fn postgres_address(&self) -> String {
        let url = url::Url::parse(&self.postgres_superuser_url).expect("postgres_superuser_url is a URL");
        format!("{}:{}", url.host_str().expect("it has a host"), url.port().unwrap_or(5432))
    }
}

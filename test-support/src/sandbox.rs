//! Resources of one test: a name, a directory and a Redis database; cleaned up after the test.

use std::{
    fs::{self, File},
    future::Future,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::Stack;

/// The directory of a test, removed at its end unless it failed.
#[derive(Debug)]
pub(crate) struct Sandbox {
    /// A name that no other test has, of letters, digits and `_`.
    pub(crate) name: String,
    pub(crate) dir: PathBuf,
}

impl Sandbox {
    pub(crate) fn new(kind: &str) -> Self {
        // Twelve random digits, and the test's name for whoever looks into the directory.
        let id = &uuid::Uuid::new_v4().simple().to_string()[..12];
        let test = std::thread::current().name().unwrap_or("test").replace(|c: char| !c.is_ascii_alphanumeric(), "_");
        let name = format!("t_{kind}_{id}");
        let dir = Stack::get().state.join("tests").join(format!("{test}-{name}"));
        fs::create_dir_all(&dir).expect("the stack's directory can be written");
        Self { name, dir }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the logs of this test are in {}", self.dir.display());
        } else {
            // Best effort: files that remain are in target/ and harmless.
            let _ = fs::remove_dir_all(&self.dir);
        }
    }
}

/// A numbered Redis database that no other test of the stack uses, empty at the start.
#[derive(Debug)]
pub(crate) struct RedisDatabase {
    pub(crate) url: String,
    /// Locked for as long as the process lives: the number is ours.
    _lock: File,
}

impl RedisDatabase {
    pub(crate) fn take() -> Self {
        let stack = Stack::get();
        let dir = stack.state.join("redis");
        fs::create_dir_all(&dir).expect("the stack's directory can be written");
        let databases = u128::from(stack.redis_databases) - 1;
        let start = uuid::Uuid::new_v4().as_u128();
        for step in 0..databases {
            // Never 0: the stack's own servers use it.
            let number = 1 + start.wrapping_add(step) % databases;
            let lock = File::create(dir.join(number.to_string())).expect("the stack's directory can be written");
            if lock.try_lock().is_ok() {
                let mut url = url::Url::parse(&stack.redis_url).expect("redis_url is a URL");
                empty(&url, number);
                url.set_path(&number.to_string());
                return Self { url: url.into(), _lock: lock };
            }
        }
        panic!("every one of the {databases} Redis databases is taken");
    }
}

fn empty(url: &url::Url, number: u128) {
    let address = (url.host_str().expect("redis_url has a host"), url.port().unwrap_or(6379));
    let mut stream = TcpStream::connect(address).expect("Redis answers");
    stream.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout can be set");
    stream.write_all(format!("SELECT {number}\r\nFLUSHDB\r\n").as_bytes()).expect("Redis takes commands");
    let mut answer = [0; 10];
    stream.read_exact(&mut answer).expect("Redis answers");
    assert_eq!(&answer, b"+OK\r\n+OK\r\n", "Redis database {number} can't be emptied");
}

/// Runs a future to its end from code that can't await (a `Drop`), inside a runtime or not.
pub(crate) fn block_on<F: Future<Output = ()> + Send>(future: F) {
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime can be made").block_on(future);
        });
    });
}

/// The last `lines` lines of a file.
pub(crate) fn tail(path: &Path, lines: usize) -> String {
    let text = fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

//! Stores of a test's own, to be killed.

use std::{
    fs::File,
    os::unix::{fs::chown, process::CommandExt},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};

use crate::{
    Stack, answer,
    eventually::until,
    sandbox::tail,
    stack::{Account, Program},
};

const START: Duration = Duration::from_secs(90);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Store {
    ClickHouse,
    Valkey,
}

/// A ClickHouse or Valkey server that belongs to one test, which may stop or kill it. Dropped, it is killed.
#[derive(Debug)]
pub struct Throwaway {
    store: Store,
    port: u16,
    child: Option<Child>,
    data: PathBuf,
    log: PathBuf,
    _dir: TempDir,
}

impl Throwaway {
    /// A ClickHouse server.
    pub async fn clickhouse() -> Self {
        Self::new(Store::ClickHouse).await
    }

    /// A Valkey server, which answers as Redis.
    pub async fn valkey() -> Self {
        Self::new(Store::Valkey).await
    }

    async fn new(store: Store) -> Self {
        // In the temporary folder: the account that stores run under can reach it.
        let dir = tempfile::Builder::new().prefix("rx-store-").tempdir().expect("the temporary folder can be written");
        let data = dir.path().join("data");
        std::fs::create_dir(&data).expect("a directory can be made");
        if let Some(Account { uid, gid }) = account(program(store)) {
            chown(&data, Some(uid), Some(gid)).expect("root may give a directory away");
            chown(dir.path(), Some(uid), Some(gid)).expect("root may give a directory away");
        }
        let port = {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
            listener.local_addr().expect("the listener has an address").port()
        };
        let log = dir.path().join("log");
        let mut server = Self { store, port, child: None, data, log, _dir: dir };
        server.start().await;
        server
    }

    /// Its URL, as the services' variables want it; for ClickHouse without a database.
    pub fn url(&self) -> String {
        match self.store {
            Store::ClickHouse => format!("http://default@127.0.0.1:{}", self.port),
            Store::Valkey => format!("redis://127.0.0.1:{}/0", self.port),
        }
    }

    /// Sends SIGKILL.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("the store runs");
        child.kill().expect("a child can be killed");
        child.wait().expect("a child can be waited for");
    }

    /// Sends SIGSTOP: the server keeps its connections and answers nothing, like a machine that hangs.
    pub fn stop_answering(&self) {
        self.signal(Signal::SIGSTOP);
    }

    fn signal(&self, signal: Signal) {
        let child = self.child.as_ref().expect("the store runs");
        let pid = i32::try_from(child.id()).expect("a process id fits");
        kill(Pid::from_raw(pid), signal).expect("a child can be signalled");
    }

    /// Starts it (again), on its port and its data, and waits until it answers.
    pub async fn start(&mut self) {
        assert!(self.child.is_none(), "the store runs already");
        let program = program(self.store);
        let log = File::options().create(true).append(true).open(&self.log).expect("the log can be written");
        let mut command = Command::new(&program.program);
        let data = self.data.to_string_lossy();
        command.args(
            program.args.iter().map(|arg| arg.replace("{data}", &data).replace("{port}", &self.port.to_string())),
        );
        if let Some(Account { uid, gid }) = account(program) {
            command.uid(uid).gid(gid);
        }
        // ClickHouse ends when its standard input is closed, that is, when this process ends for any reason.
        command.current_dir(&self.data).stdin(Stdio::piped());
        command.stdout(log.try_clone().expect("a file can be shared")).stderr(log);
        self.child = Some(command.spawn().expect("the store's program runs"));
        until("the throwaway store answers", START, || {
            let ended = self.child.as_mut().and_then(|child| child.try_wait().expect("a child can be asked"));
            assert!(ended.is_none(), "the store ended with {ended:?}:\n{}", tail(&self.log, 20));
            let (store, port) = (self.store, self.port);
            async move { answers(store, port).await.then_some(()) }
        })
        .await;
    }
}

impl Drop for Throwaway {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

async fn answers(store: Store, port: u16) -> bool {
    match store {
        Store::ClickHouse => {
            let ping = answer::http().get(format!("http://127.0.0.1:{port}/ping")).send().await;
            ping.is_ok_and(|response| response.status() == 200)
        }
        Store::Valkey => TcpStream::connect(("127.0.0.1", port)).await.is_ok(),
    }
}

fn program(store: Store) -> &'static Program {
    let launch = &Stack::get().launch;
    match store {
        Store::ClickHouse => &launch.clickhouse,
        Store::Valkey => &launch.valkey,
    }
}

fn account(program: &Program) -> Option<Account> {
    Stack::get().launch.account.filter(|_| program.account)
}

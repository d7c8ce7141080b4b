//! A server process: started, awaited, killed, told to stop, started again.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{Stack, answer, eventually::until, sandbox::tail};

/// Time limit for a server to become ready; it takes well under a second on an idle machine.
const START: Duration = Duration::from_mins(1);

/// One of the two servers, running or not. Dropped, it is killed.
#[derive(Debug)]
pub struct Server {
    program: PathBuf,
    environment: BTreeMap<String, String>,
    log: PathBuf,
    port_file: PathBuf,
    address: String,
    child: Option<Child>,
}

impl Server {
    /// Prepares `name` with this environment; its files go to `dir`, named after `label`.
    pub(crate) fn new(name: &str, label: &str, environment: BTreeMap<String, String>, dir: &Path) -> Self {
        Self {
            program: Stack::get().binary(name),
            environment,
            log: dir.join(format!("{label}.log")),
            port_file: dir.join(format!("{label}.port")),
            address: String::new(),
            child: None,
        }
    }

    /// Its base URL; the same after a restart.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// `host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Returns its log so far, over all its starts.
    pub fn log(&self) -> String {
        fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// Its environment.
    pub fn environment(&self) -> &BTreeMap<String, String> {
        &self.environment
    }

    /// Changes a variable; the change takes effect at the next start.
    pub fn environment_set(&mut self, name: &str, value: impl Into<String>) {
        self.environment.insert(name.to_owned(), value.into());
    }

    /// Its process number.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("the server runs").id()
    }

    /// Returns the number of files and sockets that it has open.
    pub fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.pid())).expect("the server runs").count()
    }

    /// Returns a value of `/metrics` by its name and labels; 0 if there is none yet.
    pub async fn metric(&self, name: &str) -> f64 {
        let token = self.environment.get("METRICS_TOKEN").expect("the stack sets a token for /metrics");
        let request = answer::http().get(format!("{}/metrics", self.url())).bearer_auth(token);
        let response = request.send().await.expect("the server answers");
        assert_eq!(response.status(), 200, "/metrics takes the token");
        let text = response.text().await.expect("the answer is text");
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.map_or(0.0, |value| value.parse().expect("a measurement is a number"))
    }

    /// Starts it and waits until it and everything it needs is ready.
    pub async fn start(&mut self) {
        self.spawn().await;
        self.ready().await;
    }

    /// Starts it and waits until it accepts requests, ready or not.
    pub async fn spawn(&mut self) {
        assert!(self.child.is_none(), "{} runs already", self.program.display());
        // A free port the first time, the same one from then on: others have been told.
        let port = self.address.rsplit_once(':').map_or("0", |(_, port)| port).to_owned();
        let _ = fs::remove_file(&self.port_file);
        let mut command = self.command("serve");
        command.env("PORT", port).env("PORT_FILE", &self.port_file);
        self.child = Some(command.spawn().expect("the server's program runs"));
        let (address, _) = until(format!("{} says where it listens", self.program.display()), START, || {
            let ended = self.ended();
            assert!(ended.is_none(), "the server ended with {ended:?}:\n{}", tail(&self.log, 30));
            let address = fs::read_to_string(&self.port_file).ok().filter(|text| !text.is_empty());
            async move { address }
        })
        .await;
        address.trim().clone_into(&mut self.address);
    }

    /// Starts it with an environment in which it can't start; returns its exit status.
    pub async fn fail(&mut self) -> ExitStatus {
        assert!(self.child.is_none(), "{} runs already", self.program.display());
        self.child = Some(self.command("serve").env("PORT", "0").spawn().expect("the server's program runs"));
        self.wait(START).await
    }

    /// Waits until `/ready` says 200.
    pub async fn ready(&mut self) {
        let http = answer::http();
        let url = format!("{}/ready", self.url());
        let said = std::cell::RefCell::new(String::new());
        let said = &said;
        let began = std::time::Instant::now();
        until("the server is ready", START * 2, || {
            let ended = self.ended();
            assert!(ended.is_none(), "the server ended with {ended:?}:\n{}", tail(&self.log, 30));
            assert!(
                began.elapsed() < START,
                "not ready within {START:?}; /ready says {}\n{}",
                said.borrow(),
                tail(&self.log, 30)
            );
            let request = http.get(&url).send();
            async move {
                let answer = match request.await {
                    Ok(response) if response.status() == 200 => return Some(()),
                    Ok(response) => format!("{} {}", response.status(), response.text().await.unwrap_or_default()),
                    Err(error) => error.to_string(),
                };
                said.replace(answer);
                None
            }
        })
        .await;
    }

    /// Runs one of its commands (`migrate`, `openapi`) to the end; its standard output.
    pub fn run(&self, command: &str) -> Vec<u8> {
        let output = self.command(command).stdout(Stdio::piped()).output().expect("the server's program runs");
        assert!(output.status.success(), "`{command}` failed ({}):\n{}", output.status, tail(&self.log, 30));
        output.stdout
    }

    /// Returns one of its commands for the test to run, with the server's environment and nothing else.
    pub fn tool(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(arguments[0]);
        command.args(&arguments[1..]).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Sends SIGKILL, so that nothing is shut down in order.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("the server runs");
        child.kill().expect("a child can be killed");
        child.wait().expect("a child can be waited for");
    }

    /// SIGTERM, without waiting for the end.
    pub fn terminate(&self) {
        let pid = i32::try_from(self.pid()).expect("process numbers fit");
        kill(Pid::from_raw(pid), Signal::SIGTERM).expect("a child can be signalled");
    }

    /// Waits until the process has ended.
    pub async fn wait(&mut self, within: Duration) -> ExitStatus {
        let (status, _) = until("the server ends", within, || {
            let ended = self.ended();
            async move { ended }
        })
        .await;
        self.child = None;
        status
    }

    /// SIGTERM, and waits for the end; panics unless the exit code is 0.
    pub async fn stop(&mut self) {
        self.terminate();
        let status = self.wait(Duration::from_secs(30)).await;
        assert!(status.success(), "the server ended with {status}:\n{}", tail(&self.log, 30));
    }

    fn ended(&mut self) -> Option<ExitStatus> {
        self.child.as_mut().and_then(|child| child.try_wait().expect("a child can be asked for its end"))
    }

    fn command(&self, action: &str) -> Command {
        let log = File::options().create(true).append(true).open(&self.log).expect("the log can be written");
        let mut command = Command::new(&self.program);
        command.arg(action).env_clear();
        for name in ["PATH", "HOME", "TMPDIR", "RUST_BACKTRACE"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command.envs(&self.environment).stdin(Stdio::null());
        command.stdout(log.try_clone().expect("a file can be shared")).stderr(log);
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself; then there is nothing to kill.
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            eprintln!("the last lines of {}:\n{}", self.log.display(), tail(&self.log, 30));
        }
    }
}

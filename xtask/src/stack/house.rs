//! Everything together: stores, migrations, servers, demo clinics, `stack.json`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use super::keys::Keys;
use super::record::Record;
use super::servers::{self, Server};
use super::stack_file::StackFile;
use super::stores::{Purpose, Stores};
use super::supervisor::Supervisor;
use super::{account, environment, paths, ports, seed, wait};

/// A running stack. Dropped, everything it started ends: the fields do so in their order.
#[derive(Debug)]
pub(crate) struct House {
    pub(crate) core: Server,
    pub(crate) telemetry: Server,
    pub(crate) stores: Stores,
    pub(crate) keys: Keys,
    /// The directory of logs, environments and `stack.json`.
    pub(crate) state: PathBuf,
    pub(crate) record: Record,
    sockets: tempfile::TempDir,
    _lock: File,
}

/// Options of a start.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Options {
    /// Use the embedded stores even where a container engine answers.
    pub(crate) embedded: bool,
    /// Continue without demo clinics if they can't be written, so that the cause can be found in the running stack.
    pub(crate) unseeded: bool,
}

/// Programs that cargo builds for a developer's stack.
const DEV_BINARIES: [&str; 8] =
    ["--bin", "server-core", "--bin", "server-telemetry", "--bin", "xtask-dev-services", "--bin", "xtask-demo"];

impl House {
    /// Builds, starts, migrates and seeds a stack whose state lies in `state`, and writes its `stack.json` last.
    ///
    /// # Errors
    /// Fails if a part can't be started, with the end of its log; everything that was started has then been stopped.
    pub(crate) fn start(purpose: Purpose, state: &Path, options: Options) -> Result<Self> {
        wait::watch_signals()?;
        let started = Instant::now();
        fs::create_dir_all(state)?;
        let lock = lock(purpose, state)?;
        let sockets = paths::sockets()?;
        Supervisor::forget(state)?;
        Supervisor::announce(state, &control(&sockets))?;
        let mut record = Record::begin(state)?;
        remove(&state.join("stack.json"))?;
        match purpose {
            Purpose::Dev => servers::build(&DEV_BINARIES)?,
            // Tests start any of the workspace's programs.
            Purpose::Test => servers::build(&["--workspace", "--bins"])?,
        }

        phase("starting the stores");
        let data = paths::data(state)?;
        logs_clear(&state.join("logs"))?;
        if purpose == Purpose::Test {
            data_clear(&data)?;
        }
        let keys = Keys::open(&data.join("keys"))?;
        let stores = Stores::start(purpose, state, sockets.path(), &keys, options.embedded, &mut record)?;

        let preferred = |port: u16| if purpose == Purpose::Dev { port } else { 0 };
        let (core_port, telemetry_port) = (ports::free(preferred(9000))?, ports::free(preferred(4000))?);
        let server = |package: &'static str, port: u16, environment| Server {
            package,
            port,
            environment,
            // A developer's own settings are for the developer's stack; tests must pass without them.
            directory: if purpose == Purpose::Dev { paths::checkout() } else { state.to_path_buf() },
            log: state.join(format!("logs/{package}.log")),
            child: None,
        };
        let endpoints = &stores.endpoints;
        let core_environment = environment::core(endpoints, &keys, core_port, telemetry_port);
        let telemetry_environment = environment::telemetry(endpoints, &keys, telemetry_port, core_port);
        let mut house = Self {
            core: server("server-core", core_port, core_environment),
            telemetry: server("server-telemetry", telemetry_port, telemetry_environment),
            stores,
            keys,
            state: state.to_path_buf(),
            record,
            sockets,
            _lock: lock,
        };
        house.core.environment_write(&state.join("core.env"))?;
        house.telemetry.environment_write(&state.join("telemetry.env"))?;
        house.migrate()?;
        house.servers_start()?;
        let mut file = StackFile::of(&house.stores, &house.keys, &house.core, &house.telemetry)?;
        match house.seed(&mut file) {
            Err(error) if options.unseeded => eprintln!("    going on without demo clinics: {error:#}"),
            seeded => seeded?,
        }
        if purpose == Purpose::Test {
            house.templates(&mut file)?;
        }
        file.write(&house.stack_file())?;
        eprintln!("==> ready after {:.1} s", started.elapsed().as_secs_f32());
        Ok(house)
    }

    /// Returns the path of this stack's `stack.json`.
    pub(crate) fn stack_file(&self) -> PathBuf {
        self.state.join("stack.json")
    }

    /// The socket that this process takes requests on.
    pub(crate) fn control(&self) -> PathBuf {
        control(&self.sockets)
    }

    /// Stops everything, servers first.
    pub(crate) fn stop(mut self) -> Result<()> {
        remove(&self.stack_file())?;
        // Core first: its last audit rows still find Telemetry there.
        self.core.stop()?;
        self.telemetry.stop()?;
        self.stores.stop()?;
        if self.stores.purpose() == Purpose::Test {
            data_clear(&paths::data(&self.state)?)?;
        }
        self.record.end()?;
        Supervisor::forget(&self.state)
    }

    /// The server called `core` or `telemetry`, stopped if it runs and started again. `stack.json` follows.
    pub(crate) fn server_restart(&mut self, name: &str) -> Result<u32> {
        let server = match name {
            "core" => &mut self.core,
            "telemetry" => &mut self.telemetry,
            _ => bail!("there is no server {name}: say core or telemetry"),
        };
        server.stop()?;
        let child = server.start()?;
        let pid = child.pid();
        self.record.add(child)?;
        server.wait_ready()?;
        let path = self.stack_file();
        let mut file = StackFile::read(&path)?;
        match name {
            "core" => file.pids.core = pid,
            _ => file.pids.telemetry = pid,
        }
        file.write(&path)?;
        Ok(pid)
    }

    /// Returns the processes that have ended by themselves since the last call, for display.
    pub(crate) fn ended(&mut self) -> Result<Vec<String>> {
        let mut ended = self.stores.ended()?;
        for (name, server) in [("core", &mut self.core), ("telemetry", &mut self.telemetry)] {
            let Some(child) = &mut server.child else { continue };
            if let Some(status) = child.ended()? {
                let how = super::process::ending(status);
                ended.push(format!(
                    "{} ended ({how}): `cargo xtask dev restart {name}` starts it again",
                    server.package
                ));
                server.child = None;
            }
        }
        Ok(ended)
    }

    fn migrate(&self) -> Result<()> {
        phase("migrating");
        self.core.migrate()?;
        self.telemetry.migrate()
    }

    fn servers_start(&mut self) -> Result<()> {
        phase("starting the servers");
        for server in [&mut self.telemetry, &mut self.core] {
            let child = server.start()?;
            self.record.add(child)?;
        }
        self.telemetry.wait_ready()?;
        self.core.wait_ready()
    }

    fn seed(&self, file: &mut StackFile) -> Result<()> {
        phase("seeding the demo clinics");
        // Not stack.json itself: that one says that the stack is ready.
        let path = self.state.join("seed-stack.json");
        file.write(&path)?;
        let seed = seed::run(&path, &self.state.join("seed.json"))?;
        remove(&path)?;
        let tokens = seed.tokens(&self.keys, &file.issuer_url)?;
        file.superadmin = Some(tokens.superadmin);
        file.superadmin_person = Some(tokens.superadmin_person);
        file.organizations = tokens.organizations;
        Ok(())
    }

    /// Makes the migrated databases that tests copy, by the servers' own `migrate`.
    fn templates(&self, file: &mut StackFile) -> Result<()> {
        phase("making the template databases");
        let postgres = self.stores.postgres.as_ref().context("a test stack has a PostgreSQL of its own")?;
        for (server, template, owner, variables) in [
            (&self.core, "template_core", "restartix", ["DATABASE_URL", "DATABASE_APP_URL"]),
            (
                &self.telemetry,
                "template_telemetry",
                "restartix_telemetry",
                ["TELEMETRY_DATABASE_URL", "TELEMETRY_DATABASE_APP_URL"],
            ),
        ] {
            postgres.script("postgres", "postgres", &format!("create database {template} owner {owner};"))?;
            let mut environment = server.environment.clone();
            for (variable, role) in variables.into_iter().zip([owner.to_owned(), format!("{owner}_app")]) {
                environment.insert(variable, postgres.url(&role, template));
            }
            let (directory, log) = (server.directory.clone(), server.log.clone());
            Server { environment, directory, log, child: None, ..*server }.migrate()?;
            // Closed for good: a single connection to a template makes copying it fail.
            postgres.script(
                "postgres",
                "postgres",
                &format!("alter database {template} with is_template true allow_connections false;"),
            )?;
        }
        file.template_core = Some("template_core".to_owned());
        file.template_telemetry = Some("template_telemetry".to_owned());
        file.launch_add(&self.stores, account::unprivileged())
    }
}

fn control(sockets: &tempfile::TempDir) -> PathBuf {
    sockets.path().join("control")
}

/// Makes sure that one stack runs on this state at a time. A developer's second one is a mistake; a test run waits.
fn lock(purpose: Purpose, state: &Path) -> Result<File> {
    let file = File::create(state.join("lock")).with_context(|| format!("cannot write in {}", state.display()))?;
    if file.try_lock().is_ok() {
        return Ok(file);
    }
    if purpose == Purpose::Dev {
        bail!("a stack of this checkout is running: `cargo xtask dev status` shows it, `cargo xtask dev stop` ends it");
    }
    eprintln!("==> waiting for another test run in {}", state.display());
    let limit = std::time::Duration::from_mins(45);
    wait::until(limit, || "the other test run does not end: see `ps`".into(), || Ok(file.try_lock().ok()))?;
    Ok(file)
}

pub(crate) fn phase(title: &str) {
    eprintln!("==> {title}");
}

/// Removes a file that may not be there.
pub(crate) fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// Removes the data of the stores; the keys stay, because generating them takes a second.
fn data_clear(data: &Path) -> Result<()> {
    for store in ["postgres", "valkey", "clickhouse", "s3"] {
        remove_dir(&data.join(store))?;
    }
    Ok(())
}

/// Removes the logs of the last time, but for the one that we may be writing ourselves.
fn logs_clear(dir: &Path) -> Result<()> {
    for entry in fs::read_dir(dir).into_iter().flatten() {
        let path = entry?.path();
        if path.file_name() != Some("dev.log".as_ref()) {
            remove(&path)?;
        }
    }
    Ok(())
}

fn remove_dir(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

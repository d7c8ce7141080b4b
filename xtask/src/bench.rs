//! `cargo xtask bench`: the release build of Core against naive `pgbench`, on stores of its own.
//!
//! This starts PostgreSQL (durable), Valkey, S3 and the issuer, and stops them whatever happens; `xtask-bench` does the
//! rest. Nothing else runs beside what is measured: no Telemetry and no ClickHouse. `--telemetry` measures Telemetry
//! instead, and starts ClickHouse as well; `--forms` measures only the processor time of a save of a form, `--exports`
//! only exports of tables, `--segments` only evaluations of a segment.

mod check;
mod telemetry;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use serde_json::json;

use telemetry::Telemetry;

use crate::stack::environment::{self, Environment};
use crate::stack::keys::Keys;
use crate::stack::overrides::{BUCKET, S3};
use crate::stack::postgres::{self, Postgres};
use crate::stack::record::Record;
use crate::stack::services::{Preferred, Services};
use crate::stack::stores::Endpoints;
use crate::stack::valkey::Valkey;
use crate::stack::{fetch, paths, pins, servers, tokens, wait};

/// The organizations of `xtask/bench/sql/seed.sql`, each with a person at the front desk.
const ORGANIZATIONS: u32 = 4;
/// PostgreSQL's default of `shared_buffers`, and the most that `--scale` sets, in MiB.
const SHARED_BUFFERS: (u64, u64) = (128, 4096);
/// Time limit for `xtask-bench` to end in order.
const GRACE: Duration = Duration::from_secs(10);

/// Options of `cargo xtask bench`.
#[derive(Debug, clap::Args)]
#[allow(clippy::struct_excessive_bools, reason = "each is an option of the command line")]
pub(crate) struct Options {
    /// Number of repetitions of each measurement.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Seconds each measurement takes.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,
    /// Connections that ask at the same time.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=100))]
    connections: u32,
    /// Measure how times grow with the number of appointments of a clinic, and nothing else: clinics with 10,000,
    /// 100,000 and 1,000,000 appointments, or with the given numbers.
    #[arg(
        long,
        value_name = "APPOINTMENTS",
        value_delimiter = ',',
        num_args = 0..=1,
        conflicts_with_all = ["telemetry", "beside", "stack_only"],
        default_missing_value = "10000,100000,1000000",
        value_parser = clap::value_parser!(u32).range(1_000..)
    )]
    scale: Option<Vec<u32>>,
    /// Measure one round of one second, to check that it works; write the report to target/bench.
    #[arg(long, conflicts_with_all = ["rounds", "seconds"])]
    quick: bool,
    /// Measure another build of server-core in turns with this checkout's, to see what a change costs or saves; write
    /// no report.
    #[arg(long, value_name = "PROGRAM")]
    beside: Option<PathBuf>,
    /// Start the stores and keep them until Ctrl-C, to run xtask-bench with a profiler by hand.
    #[arg(long, conflicts_with_all = ["quick", "beside"])]
    stack_only: bool,
    /// Measure Telemetry beside the inserts of its engines, and replace its section of the report.
    #[arg(long)]
    telemetry: bool,
    /// Measure the processor time of a save of a form of 300 fields beside that of an appointment's update, and nothing
    /// else; replace that section of the report. Takes about a minute, besides the build.
    #[arg(long, conflicts_with_all = ["scale", "beside", "stack_only", "telemetry", "check"])]
    forms: bool,
    /// Measure exports of 1,000,000 rows beside `COPY` of the same columns, with the memory of Core, and nothing else;
    /// replace that section of the report.
    #[arg(long, conflicts_with_all = ["scale", "beside", "stack_only", "telemetry", "forms", "check"])]
    exports: bool,
    /// Measure evaluations of a segment of a clinic with 100,000 patients, by the number of members that they swap, and
    /// nothing else; replace that section of the report.
    #[arg(long, conflicts_with_all = ["scale", "beside", "stack_only", "telemetry", "forms", "exports", "check"])]
    segments: bool,
    /// Compare the ratios with those of the committed BENCHMARKS.md instead of writing it; fail, and name the row, if
    /// one is lower in two runs.
    #[arg(long, conflicts_with_all = ["quick", "beside", "stack_only", "scale"])]
    check: bool,
}

impl Options {
    /// Returns the settings of PostgreSQL for what is measured, as name and value.
    fn settings(&self) -> Result<Vec<(&'static str, String)>> {
        let mut settings = Vec::new();
        if self.telemetry {
            // The lag from one database to the other is the difference between two times of commit.
            settings.push(("track_commit_timestamp", "on".to_owned()));
        }
        if self.scale.is_some() {
            // With the default, a large clinic would be measured by the pages that come from the system's cache.
            settings.push(("shared_buffers", format!("{}MB", shared_buffers(memory()?))));
        }
        Ok(settings)
    }
}

/// Returns the machine's memory in MiB.
fn memory() -> Result<u64> {
    let text = fs::read_to_string("/proc/meminfo").context("cannot read /proc/meminfo")?;
    let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kibibytes = total.and_then(|total| total.trim().strip_suffix(" kB"));
    let kibibytes: u64 = kibibytes.context("/proc/meminfo has no total")?.parse()?;
    Ok(kibibytes / 1024)
}

/// Returns the `shared_buffers`, in MiB, of a machine with so many MiB of memory: a sixth, in steps of 256.
/// PostgreSQL's manual recommends a quarter if nothing else runs there.
fn shared_buffers(memory: u64) -> u64 {
    let (least, most) = SHARED_BUFFERS;
    ((memory / 6 + 128) / 256 * 256).clamp(least, most)
}

/// Builds, starts, measures and stops.
///
/// # Errors
/// Fails if something can't be built or started, if a server answers wrongly, or if a program is missing (the error
/// says where to get it). Slowness is no error.
pub(crate) fn run(options: &Options) -> Result<()> {
    wait::watch_signals()?;
    let state = paths::checkout().join("target/bench");
    let _alone = lock(&state)?;
    let mut record = Record::begin(&state)?;
    servers::build(&["--bin", "xtask-dev-services"])?;
    servers::build(&["--release", "--bin", "server-core", "--bin", "xtask-bench"])?;
    if options.telemetry {
        servers::build(&["--release", "--bin", "server-telemetry"])?;
    }
    let report = paths::checkout().join("BENCHMARKS.md");
    // Report of a run that is not to be committed.
    let scratch = state.join("BENCHMARKS.md");
    let measured = if options.check {
        let committed = fs::read_to_string(&report).context("cannot read BENCHMARKS.md")?;
        check::run(&committed, || {
            // Sections of an earlier run were not measured now.
            fs::write(&scratch, "")?;
            once(options, &state, &mut record, &scratch)?;
            Ok(fs::read_to_string(&scratch)?)
        })
    } else {
        once(options, &state, &mut record, if options.quick { &scratch } else { &report })
    };
    record.end()?;
    measured
}

/// Starts a stack, measures, writes the report, and stops the stack.
fn once(options: &Options, state: &Path, record: &mut Record, report: &Path) -> Result<()> {
    let data = paths::data(state)?;
    clear(&data)?;
    let mut stack = Stack::start(state, &data, record, &options.settings()?)?;
    if options.telemetry {
        stack.telemetry = Some(Telemetry::start(&stack, state, &data, record)?);
    }
    let measured = stack.migrate().and_then(|()| stack.setup_write(state)).and_then(|setup| {
        if options.stack_only {
            println!("xtask-bench --setup {}", setup.display());
            wait::until_stopped();
            return Ok(());
        }
        measure(options, &setup, report)
    });
    // Stopped by being dropped, in the order of the fields.
    drop(stack);
    clear(&data)?;
    measured
}

/// Stores that Core needs. They stop when this value is dropped.
struct Stack {
    telemetry: Option<Telemetry>,
    _valkey: Valkey,
    postgres: Postgres,
    services: Services,
    keys: Keys,
    endpoints: Endpoints,
    /// Core's, complete but for its port and Telemetry's address.
    environment: Environment,
    _sockets: tempfile::TempDir,
}

impl Stack {
    fn start(state: &Path, data: &Path, record: &mut Record, settings: &[(&str, String)]) -> Result<Self> {
        eprintln!("==> starting the stores");
        let [postgres_programs, valkey_programs] = fetch::programs([&pins::POSTGRES, &pins::VALKEY])?;
        let sockets = paths::sockets()?;
        let log = |name: &str| state.join(format!("{name}.log"));
        let keys = Keys::open(&data.join("keys"))?;
        let services = Services::start(&keys, Some(&data.join("s3")), &log("dev-services"), Preferred::default())?;
        record.add(&services.child)?;
        let postgres = Postgres::start(&postgres::Options {
            programs: &postgres_programs,
            data: &data.join("postgres"),
            sockets: sockets.path(),
            log: &log("postgres"),
            port: 0,
            durable: true,
            max_connections: 300,
            settings,
        })?;
        record.add(&postgres.child)?;
        let valkey = Valkey::start(&valkey_programs, &data.join("valkey"), &log("valkey"), 0, false)?;
        record.add(&valkey.child)?;
        let endpoints = Endpoints {
            database_url: postgres.url("restartix", "restartix"),
            database_app_url: postgres.url("restartix_app", "restartix"),
            telemetry_database_url: postgres.url("restartix_telemetry", "restartix_telemetry"),
            telemetry_database_app_url: postgres.url("restartix_telemetry_app", "restartix_telemetry"),
            clickhouse_url: String::new(),
            redis_url: format!("redis://127.0.0.1:{}/0", valkey.port),
            s3: S3 {
                endpoint: services.addresses.s3.clone().unwrap_or_default(),
                access_key: keys.secrets.s3_access_key.clone(),
                secret_key: keys.secrets.s3_secret_key.clone(),
                bucket: BUCKET.to_owned(),
            },
            issuer_url: services.addresses.issuer.clone(),
            daily_url: services.addresses.daily.clone(),
        };
        let mut environment = environment::core(&endpoints, &keys, 0, 0);
        // As in production, except for settings that it refuses: issuers on this machine, and high limits for tools.
        environment.insert("HSTS_MAX_AGE", "730d".to_owned());
        environment.insert("LOG_LEVEL", "info".to_owned());
        Ok(Self {
            telemetry: None,
            _valkey: valkey,
            postgres,
            services,
            keys,
            endpoints,
            environment,
            _sockets: sockets,
        })
    }

    /// Applies the servers' migrations by their own commands.
    fn migrate(&self) -> Result<()> {
        if let Some(telemetry) = &self.telemetry {
            telemetry.migrate()?;
        }
        let mut command = Command::new(optimized("server-core")?);
        command.arg("migrate").stdin(Stdio::null());
        environment::apply(&mut command, &self.environment);
        crate::tools::run(&mut command, "server-core migrate")
    }

    /// Writes the file of settings for `xtask-bench` and returns its path.
    fn setup_write(&self, state: &Path) -> Result<PathBuf> {
        let mut people = BTreeMap::new();
        for organization in 1..=ORGANIZATIONS {
            let clerk_id = format!("user_bench_{organization}");
            let issuer = &self.services.addresses.issuer;
            let token = tokens::session(&self.keys.issuer_pem, &self.keys.issuer_kid, issuer, &clerk_id)?;
            people.insert(clerk_id, token);
        }
        let setup = json!({
            "server": optimized("server-core")?,
            "environment": self.environment,
            "state": state,
            "pg_bin": self.postgres.bin,
            "postgres_pid": self.postgres.child.pid(),
            "postgres_log": self.postgres.child.log,
            "superuser_url": self.postgres.superuser_url(),
            "database_url": self.endpoints.database_url,
            "database_app_url": self.endpoints.database_app_url,
            "tokens": people,
            "checkout": paths::checkout(),
            "telemetry": self.telemetry.as_ref().map(|telemetry| telemetry.setup(self)).transpose()?,
        });
        let path = state.join("setup.json");
        paths::write_private(&path, &setup.to_string())?;
        Ok(path)
    }
}

/// Runs `xtask-bench`, in a process group of its own so that what it leaves behind can be ended with it.
fn measure(options: &Options, setup: &Path, report: &Path) -> Result<()> {
    let (rounds, seconds) = if options.quick { (1, 1) } else { (options.rounds, options.seconds) };
    let mut command = Command::new(optimized("xtask-bench")?);
    command.arg("--setup").arg(setup).arg("--report").arg(report);
    for (name, value) in [("--rounds", rounds), ("--seconds", seconds), ("--connections", options.connections)] {
        command.arg(name).arg(value.to_string());
    }
    if let Some(other) = &options.beside {
        command
            .arg("--beside")
            .arg(fs::canonicalize(other).with_context(|| format!("{} is not there", other.display()))?);
    }
    if let Some(sizes) = &options.scale {
        command.arg("--scale").arg(sizes.iter().map(u32::to_string).collect::<Vec<_>>().join(","));
    }
    for (name, is_asked) in [
        ("--telemetry", options.telemetry),
        ("--forms", options.forms),
        ("--exports", options.exports),
        ("--segments", options.segments),
    ] {
        if is_asked {
            command.arg(name);
        }
    }
    let mut child = command
        .current_dir(paths::checkout())
        .stdin(Stdio::null())
        .process_group(0)
        .spawn()
        .context("cannot run xtask-bench")?;
    let status = ended(&mut child);
    // The server it started, should it have been killed itself; nobody, as a rule.
    let _ = killpg(pid(&child), Signal::SIGKILL);
    let status = status?;
    wait::check_stop()?;
    if !status.success() {
        bail!("xtask-bench failed ({status}): see above");
    }
    Ok(())
}

/// Waits until it ends by itself or, once somebody asked us to end, by a signal.
fn ended(child: &mut std::process::Child) -> Result<ExitStatus> {
    let mut asked: Option<Instant> = None;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        match asked {
            None if wait::stop_wanted() => {
                let _ = kill(pid(child), Signal::SIGTERM);
                asked = Some(Instant::now());
            }
            Some(asked) if asked.elapsed() > GRACE => child.kill()?,
            _ => {}
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn pid(child: &std::process::Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).unwrap_or(i32::MAX))
}

/// A program that cargo built with optimizations.
fn optimized(name: &str) -> Result<PathBuf> {
    let own = paths::binaries()?;
    let target = own.parent().context("programs lie in a directory of the target directory")?;
    Ok(target.join("release").join(name))
}

/// One run at a time in a checkout; a second one would be measured beside the first.
fn lock(state: &Path) -> Result<File> {
    fs::create_dir_all(state)?;
    let file = File::create(state.join("lock"))?;
    if file.try_lock().is_err() {
        bail!("another `cargo xtask bench` is running in this checkout");
    }
    Ok(file)
}

/// Removes what an earlier run left in the data directory.
fn clear(data: &Path) -> Result<()> {
    for name in ["postgres", "valkey", "s3", "clickhouse"] {
        match fs::remove_dir_all(data.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot clear {}", data.display()));
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_buffers_are_a_sixth_of_the_memory_within_bounds() {
        // Machines with 512 MiB, 4 GiB, 24 GiB less what the kernel keeps, and 128 GiB.
        assert_eq!([512, 4_096, 24_045, 131_072].map(shared_buffers), [128, 768, 4_096, 4_096]);
    }
}

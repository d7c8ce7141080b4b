//! `cargo xtask dev`: the whole stack on one machine, started, watched and stopped by one supervisor process.

mod control;
mod detach;
mod summary;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::stack::house::{self, House, Options};
use crate::stack::record;
use crate::stack::servers;
use crate::stack::stack_file::StackFile;
use crate::stack::stores::Purpose;
use crate::stack::supervisor::Supervisor;
use crate::stack::{paths, wait};

/// Time limit for a stack to stop: each of its processes has twelve seconds.
const STOP_LIMIT: Duration = Duration::from_secs(90);

/// The directory of a developer's stack.
pub(crate) fn state() -> PathBuf {
    paths::checkout().join("target/dev")
}

/// Arguments of `cargo xtask dev`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
    /// Return when the stack is ready; it runs on until `cargo xtask dev stop`.
    #[arg(long)]
    detach: bool,
    /// Use the embedded stores even where a container engine answers.
    #[arg(long)]
    embedded: bool,
    /// Run as the supervisor that --detach starts.
    #[arg(long, hide = true, conflicts_with = "detach")]
    supervised: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Stop the stack and everything it started.
    Stop,
    /// Show the running processes and their addresses. Exits with 1 if there are none.
    Status,
    /// Rebuild a server and restart it.
    Restart {
        /// core or telemetry
        server: String,
    },
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    match &arguments.action {
        Some(Action::Stop) => stop(),
        Some(Action::Status) => status(),
        Some(Action::Restart { server }) => restart(server),
        None if arguments.detach => {
            detach::run(arguments.embedded)?;
            summary::print(&StackFile::read(&state().join("stack.json"))?);
            println!("\n`cargo xtask dev stop` ends it.");
            Ok(())
        }
        None => supervise(arguments),
    }
}

/// Starts the stack and watches it until it is asked to stop.
fn supervise(arguments: &Arguments) -> Result<()> {
    if arguments.supervised {
        // A session of our own: the terminal's end is not ours.
        nix::unistd::setsid().context("cannot start a session")?;
    }
    let mut house =
        House::start(Purpose::Dev, &state(), Options { embedded: arguments.embedded, ..Options::default() })?;
    if !arguments.supervised {
        summary::print(&StackFile::read(&house.stack_file())?);
        println!("\nCtrl-C ends it.");
    }
    let watched = watch(&mut house);
    house::phase("stopping");
    let stopped = house.stop();
    if stopped.is_ok() {
        eprintln!("    everything has stopped");
    }
    watched.and(stopped)
}

/// Answers requests and reports processes that end by themselves, until a signal asks to stop.
fn watch(house: &mut House) -> Result<()> {
    let control = control::Listener::bind(&house.control())?;
    while !wait::stop_wanted() {
        control.serve(house)?;
        for line in house.ended()? {
            eprintln!("==> {line}");
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

fn stop() -> Result<()> {
    wait::watch_signals()?;
    let state = state();
    let running = Supervisor::find(&state);
    if let Some(supervisor) = &running {
        eprintln!("==> stopping the stack of {}", paths::checkout().display());
        supervisor.identity.end_within(STOP_LIMIT)?;
        supervisor.identity.reaped();
    }
    // Nothing is left here after an orderly stop; after a supervisor that had to be killed there may be.
    let left = record::leftovers_end(&state.join("children.json"))?;
    house::remove(&state.join("stack.json"))?;
    Supervisor::forget(&state)?;
    match (running.is_some(), left) {
        (false, 0) => eprintln!("    no stack of this checkout is running"),
        (_, 0) => eprintln!("    stopped"),
        (_, left) => eprintln!("    stopped, with {left} processes that had been left behind"),
    }
    Ok(())
}

fn status() -> Result<()> {
    let state = state();
    let Some(supervisor) = Supervisor::find(&state) else {
        bail!("no stack of this checkout is running: `cargo xtask dev` starts one");
    };
    let path = state.join("stack.json");
    if !path.exists() {
        bail!(
            "the stack is starting (supervisor {}); its logs are in {}",
            supervisor.identity.pid,
            state.join("logs").display()
        );
    }
    let file = StackFile::read(&path)?;
    summary::print(&file);
    let ready = summary::readiness(&file);
    if ready { Ok(()) } else { bail!("not everything is ready; the logs are in {}", state.join("logs").display()) }
}

fn restart(server: &str) -> Result<()> {
    let package = match server {
        "core" => "server-core",
        "telemetry" => "server-telemetry",
        _ => bail!("there is no server {server}: say core or telemetry"),
    };
    let Some(supervisor) = Supervisor::find(&state()) else {
        bail!("no stack of this checkout is running: `cargo xtask dev` starts one");
    };
    servers::build(&["--bin", package])?;
    let pid = control::request(&supervisor.control, &format!("restart {server}"))?;
    println!("{package} runs again (pid {pid})");
    Ok(())
}

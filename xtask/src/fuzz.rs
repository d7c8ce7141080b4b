//! `cargo xtask fuzz`: schemathesis, bounded and with a fixed seed, against both services of a stack.
//!
//! Each service is called as a clinic's admin. `xtask/tools/fuzz/` provides existing ids, and credentials for the few
//! operations that an admin may not call. The reports are written to `target/fuzz/`.

mod report;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::stack::paths;
use crate::stack::wait::stop_wanted;
use crate::{test, tools};
use report::Report;

/// The longest time in which schemathesis may end no operation. How long all of them take grows with the specification
/// and its schemas.
const LONGEST_PAUSE: Duration = Duration::from_mins(5);

/// Minimum number of requests to both services together.
const CASES_WANTED: usize = 2_000;

/// Options of `cargo xtask fuzz`.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Most generated cases for each operation.
    #[arg(long, default_value_t = 60)]
    max_cases: u32,
    /// Seed of the generated data.
    #[arg(long, default_value_t = 20_260_101)]
    seed: u64,
    /// The stack to call, e.g. target/dev/stack.json [default: a fresh one, started for this].
    #[arg(long, value_name = "STACK_JSON")]
    stack: Option<PathBuf>,
    /// Fuzz one service only; the number of cases is not judged then.
    #[arg(long, value_parser = ["core", "telemetry"])]
    service: Option<String>,
    /// Fuzz these operations only; the number of cases is not judged then.
    #[arg(long, value_name = "OPERATION_ID")]
    operation: Vec<String>,
}

/// Fuzzes both services and judges the reports.
///
/// # Errors
/// Fails if a service breaks its specification, if operations were not reached, or if too few requests were sent.
pub(crate) fn run(options: &Options) -> Result<()> {
    match &options.stack {
        Some(file) => judge(file, options),
        None => test::with_stack(&paths::checkout().join("target/fuzz/stack"), |file| judge(file, options)),
    }
}

fn judge(stack: &Path, options: &Options) -> Result<()> {
    let stack = Stack::read(stack)?;
    let mut reports = Vec::new();
    let mut faults = Vec::new();
    for service in ["telemetry", "core"] {
        if options.service.as_deref().is_some_and(|only| only != service) {
            continue;
        }
        let report = fuzz(service, &stack, options)?;
        println!("{}", report.table());
        faults.extend(report.faults().into_iter().map(|fault| format!("{service}: {fault}")));
        reports.push(report);
    }
    let cases: usize = reports.iter().map(Report::cases).sum();
    let limited: usize = reports.iter().map(Report::rate_limited).sum();
    println!("{cases} cases, {limited} of them answered 429");
    let whole = options.service.is_none() && options.operation.is_empty();
    if whole && cases < CASES_WANTED {
        faults.push(format!("only {cases} cases, {CASES_WANTED} are wanted: raise --max-cases"));
    }
    if limited * 100 >= cases {
        faults.push(format!("{limited} of {cases} cases were answered 429, less than 1 % is wanted"));
    }
    if faults.is_empty() {
        return Ok(());
    }
    bail!("{} faults:\n  {}\nReports: target/fuzz/", faults.len(), faults.join("\n  "))
}

fn fuzz(service: &str, stack: &Stack, options: &Options) -> Result<Report> {
    let checkout = paths::checkout();
    let spec_path = checkout.join(format!("openapi/{service}.json"));
    let spec: Value = serde_json::from_slice(&fs::read(&spec_path)?)
        .with_context(|| format!("{} is not JSON", spec_path.display()))?;
    let dir = checkout.join("target/fuzz");
    fs::create_dir_all(&dir)?;
    let events = dir.join(format!("{service}.ndjson"));
    let log = dir.join(format!("{service}.log"));

    eprintln!("    fuzzing {service}; its log is {}", log.display());
    let configuration = checkout.join("xtask/tools/fuzz");
    let mut command = tools::schemathesis()?;
    command
        .arg("--config-file")
        .arg(configuration.join("schemathesis.toml"))
        .arg("run")
        .arg(&spec_path)
        .args(["--url", stack.url(service)?])
        .args(["--seed", &options.seed.to_string(), "--max-examples", &options.max_cases.to_string()])
        .args(["--report", "ndjson,junit"])
        .arg("--report-ndjson-path")
        .arg(&events)
        .arg("--report-junit-path")
        .arg(dir.join(format!("{service}.xml")))
        .arg("--no-color")
        .env("SCHEMATHESIS_HOOKS", "hooks")
        .env("PYTHONPATH", &configuration)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("RESTARTIX_STACK", &stack.file)
        .env("RESTARTIX_SERVICE", service)
        // Hypothesis keeps its examples in the working directory.
        .current_dir(&dir);
    for operation in &options.operation {
        command.args(["--include-operation-id", operation]);
    }
    let output = fs::File::create(&log)?;
    let mut process =
        command.stdout(output.try_clone()?).stderr(output).spawn().context("cannot start schemathesis")?;
    let status = wait(&mut process, &events).with_context(|| format!("its log is {}", log.display()))?;

    let text = fs::read_to_string(&events)
        .with_context(|| format!("schemathesis ({status}) left no report; its log is {}", log.display()))?;
    let mut report = Report::read(service, &spec, &text)?;
    if !options.operation.is_empty() {
        report.keep_only(&options.operation);
    }
    // 1 means that checks failed, and those are in the report; anything else is a failure of schemathesis itself.
    if !matches!(status.code(), Some(0 | 1)) {
        bail!("schemathesis failed ({status}); its log is {}", log.display());
    }
    Ok(report)
}

/// Waits for schemathesis for as long as its report grows: a service that stops answering must not stop a build.
fn wait(process: &mut Child, report: &Path) -> Result<ExitStatus> {
    let mut grown = (0, Instant::now());
    loop {
        if let Some(status) = process.try_wait()? {
            return Ok(status);
        }
        // There is no file before the first event.
        let length = fs::metadata(report).map_or(0, |file| file.len());
        if length != grown.0 {
            grown = (length, Instant::now());
        }
        let has_stopped = grown.1.elapsed() > LONGEST_PAUSE;
        if has_stopped || stop_wanted() {
            process.kill()?;
            process.wait()?;
            if has_stopped {
                bail!(
                    "schemathesis was stopped: it had ended no operation for {} minutes",
                    LONGEST_PAUSE.as_secs() / 60
                );
            }
            bail!("schemathesis was interrupted");
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The stack to fuzz.
struct Stack {
    file: PathBuf,
    document: Value,
}

impl Stack {
    fn read(file: &Path) -> Result<Self> {
        // schemathesis runs in a directory of its own.
        let file = file.canonicalize().with_context(|| format!("there is no {}", file.display()))?;
        let text = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let document = serde_json::from_slice(&text).with_context(|| format!("{} is not JSON", file.display()))?;
        Ok(Self { file, document })
    }

    fn url(&self, service: &str) -> Result<&str> {
        self.document[service].as_str().with_context(|| format!("{} has no {service}", self.file.display()))
    }
}

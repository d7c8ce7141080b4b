//! Configuration: defaults, then an optional `restartix.toml`, then the environment.
//!
//! A server's configuration is a struct a concern, filled from [`Settings`]. Reading goes on after a
//! fault, so that an operator sees all of them at once:
//!
//! ```
//! use server_shared::config::{ConfigFaults, Settings};
//! use std::time::Duration;
//!
//! struct Config { port: u16, timeout: Duration }
//!
//! fn config(mut settings: Settings) -> Result<Config, ConfigFaults> {
//!     let port = settings.or("PORT", 9000);
//!     let timeout = settings.required("REQUEST_TIMEOUT");
//!     settings.finish(|| Some(Config { port: port?, timeout: timeout? }))
//! }
//!
//! let faults = config(Settings::from_pairs([("PORT", "many")])).err().unwrap().to_string();
//! assert_eq!(faults, "PORT: malformed; should be a whole number from 0 to 65535\n\
//!                     REQUEST_TIMEOUT: missing; should be a duration such as 250ms, 30s, 5m, 1h or 2d");
//! ```
//!
//! Variables that are empty or only white space count as missing, and white space around a value is
//! dropped. No message ever shows a value: it may be a secret, or next to one.

mod edge;
mod production;
mod setting;

pub use edge::{ConnectionConfig, EdgeConfig, Origin};
pub use production::{Production, is_private};
pub use setting::{Environment, ListItem, Setting};

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

use figment::Figment;
use figment::providers::{Env, Format, Serialized, Toml};
use figment::value::Value;

/// The variable that names the file to read instead of `restartix.toml` in the working directory.
const FILE_VARIABLE: &str = "RESTARTIX_CONFIG";
const FILE: &str = "restartix.toml";

/// The variables of the process while its configuration is read from them.
pub struct Settings {
    values: BTreeMap<String, String>,
    /// Names of the variables that were read.
    read: BTreeSet<&'static str>,
    faults: Vec<ConfigFault>,
}

impl Settings {
    /// Reads `restartix.toml` (or the file that `RESTARTIX_CONFIG` names) and the environment, which takes precedence.
    /// A file that is named must exist.
    pub fn load() -> Self {
        let environment = Env::raw().lowercase(false);
        Self::layered(environment.iter().map(|(name, value)| (name.into_string(), value)), Path::new(FILE))
    }

    /// Makes settings of these variables alone, without file and environment; for tests.
    pub fn from_pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut settings = Self::empty();
        settings.merge([BTreeMap::new(), present(pairs)]);
        settings
    }

    fn empty() -> Self {
        Self { values: BTreeMap::new(), read: BTreeSet::new(), faults: Vec::new() }
    }

    /// Returns the names of the variables that were read so far.
    fn read(&self) -> impl Iterator<Item = &'static str> {
        self.read.iter().copied()
    }

    /// Returns the text of a variable.
    fn text(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    fn layered(environment: impl IntoIterator<Item = (String, String)>, default_file: &Path) -> Self {
        let environment = present(environment);
        let mut settings = Self::empty();
        let named = environment.get(FILE_VARIABLE).map(Path::new);
        let file = settings.file(named.unwrap_or(default_file), named.is_some());
        settings.merge([file, environment]);
        settings
    }

    /// Adds layers of variables, whose values stay text until a [`Setting`] reads them. figment's own parsing of the
    /// environment would turn a key of digits with an `e` in it into a number.
    fn merge(&mut self, layers: [BTreeMap<String, String>; 2]) {
        let [file, environment] = layers;
        let figment = Figment::from(Serialized::globals(file)).merge(Serialized::globals(environment));
        match figment.extract() {
            Ok(values) => self.values = values,
            Err(_) => self.fault(FILE, "a flat list of variables"),
        }
    }

    fn file(&mut self, path: &Path, required: bool) -> BTreeMap<String, String> {
        if !path.is_file() {
            if required {
                self.fault(FILE_VARIABLE, "the path of a file that exists");
            }
            return BTreeMap::new();
        }
        match Figment::from(Toml::file_exact(path)).extract::<BTreeMap<String, Value>>() {
            Ok(values) => {
                let mut texts = Vec::new();
                for (name, value) in values {
                    if let Some(text) = text(&value) {
                        texts.push((name, text));
                    } else {
                        self.faults.push(ConfigFault::wrong(name, "text, a number, true, false or a list of these"));
                    }
                }
                present(texts)
            }
            Err(error) => {
                // Only the first line names the place; the lines after it quote the file.
                let place = error
                    .to_string()
                    .lines()
                    .next()
                    .and_then(|line| line.split_once(" at "))
                    .map(|(_, at)| format!(" (see {at})"));
                self.fault(FILE, format!("valid TOML{}", place.unwrap_or_default()));
                BTreeMap::new()
            }
        }
    }

    /// Reads a variable that must be set and well-formed; otherwise notes a fault and returns `None`.
    pub fn required<T: Setting>(&mut self, name: &'static str) -> Option<T> {
        let value = self.optional(name)?;
        if value.is_none() {
            self.faults.push(ConfigFault {
                name: name.into(),
                problem: Problem::Missing,
                should_be: T::SHOULD_BE.into(),
            });
        }
        value
    }

    /// Reads an optional variable. Returns `Some(None)` if it is not set; notes a fault and returns `None` if it is
    /// malformed.
    pub fn optional<T: Setting>(&mut self, name: &'static str) -> Option<Option<T>> {
        self.read.insert(name);
        let Some(text) = self.values.get(name) else { return Some(None) };
        let value = T::parse(text);
        if value.is_none() {
            self.faults.push(ConfigFault {
                name: name.into(),
                problem: Problem::Malformed,
                should_be: T::SHOULD_BE.into(),
            });
        }
        value.map(Some)
    }

    /// Reads a variable that has a default.
    pub fn or<T: Setting>(&mut self, name: &'static str, default: T) -> Option<T> {
        self.optional(name).map(|value| value.unwrap_or(default))
    }

    /// Notes a fault found by a check across variables; `should_be` describes the right value.
    pub fn fault(&mut self, name: &'static str, should_be: impl Into<String>) {
        self.faults.push(ConfigFault::wrong(name, should_be));
    }

    /// Builds the configuration if there was no fault; returns all faults otherwise.
    pub fn finish<C>(mut self, config: impl FnOnce() -> Option<C>) -> Result<C, ConfigFaults> {
        if self.faults.is_empty() {
            if let Some(config) = config() {
                return Ok(config);
            }
            // A check that failed without noting a fault still must not start a server.
            self.fault("configuration", "complete");
        }
        Err(ConfigFaults(self.faults))
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Names alone: any value may be a secret.
        f.debug_struct("Settings")
            .field("names", &self.values.keys())
            .field("faults", &self.faults)
            .finish_non_exhaustive()
    }
}

fn present<N: Into<String>, V: AsRef<str>>(pairs: impl IntoIterator<Item = (N, V)>) -> BTreeMap<String, String> {
    pairs
        .into_iter()
        .map(|(name, value)| (name.into(), value.as_ref().trim().to_owned()))
        .filter(|(_, value)| !value.is_empty())
        .collect()
}

/// Writes a TOML value as it would be written in the environment; lists become comma-separated.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(_, text) => Some(text.clone()),
        Value::Char(_, letter) => Some(letter.to_string()),
        Value::Bool(_, bool) => Some(bool.to_string()),
        Value::Num(_, number) => number
            .to_i128()
            .map(|number| number.to_string())
            .or_else(|| number.to_u128().map(|number| number.to_string()))
            .or_else(|| number.to_f64().map(|number| number.to_string())),
        Value::Array(_, items) => Some(items.iter().map(text).collect::<Option<Vec<_>>>()?.join(",")),
        Value::Empty(..) | Value::Dict(..) => None,
    }
}

/// A fault of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigFault {
    name: String,
    problem: Problem,
    should_be: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Problem {
    Missing,
    Malformed,
    Wrong,
}

impl ConfigFault {
    fn wrong(name: impl Into<String>, should_be: impl Into<String>) -> Self {
        Self { name: name.into(), problem: Problem::Wrong, should_be: should_be.into() }
    }

    /// Returns the variable's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the description of a right value.
    pub fn should_be(&self) -> &str {
        &self.should_be
    }
}

impl fmt::Display for ConfigFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let problem = match self.problem {
            Problem::Missing => "missing; ",
            Problem::Malformed => "malformed; ",
            Problem::Wrong => "",
        };
        write!(f, "{}: {problem}should be {}", self.name, self.should_be)
    }
}

/// All faults of the configuration; `Display` writes one line for each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigFaults(Vec<ConfigFault>);

impl ConfigFaults {
    /// Returns the faults in the order in which the variables were read.
    pub fn iter(&self) -> impl Iterator<Item = &ConfigFault> {
        self.0.iter()
    }
}

impl fmt::Display for ConfigFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (line, fault) in self.0.iter().enumerate() {
            if line > 0 {
                writeln!(f)?;
            }
            write!(f, "{fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigFaults {}

#[cfg(test)]
mod tests;

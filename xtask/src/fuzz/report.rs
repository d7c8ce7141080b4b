//! Reads the event log of schemathesis and finds the faults in it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use anyhow::{Context, Result};
use serde_json::Value;

/// Results of one operation.
#[derive(Debug, Default)]
struct Operation {
    id: String,
    /// Number of answers by status.
    statuses: BTreeMap<u64, usize>,
}

impl Operation {
    fn count(&self, statuses: std::ops::RangeInclusive<u64>) -> usize {
        self.statuses.range(statuses).map(|(_, count)| count).sum()
    }
}

/// All that happened to one service.
#[derive(Debug)]
pub(super) struct Report {
    service: String,
    /// By `METHOD /path`, as schemathesis labels them.
    operations: BTreeMap<String, Operation>,
    /// Requests by methods that a path does not have.
    undeclared: Operation,
    /// Distinct failed checks: operation, check, message, and one case that shows it.
    failures: BTreeMap<(String, String, String), String>,
}

impl Report {
    /// Reads the event log (one JSON object a line) of a run against the service of this specification.
    pub(super) fn read(service: &str, spec: &Value, events: &str) -> Result<Self> {
        let undeclared = Operation { id: "(undeclared methods)".to_owned(), ..Operation::default() };
        let mut report =
            Self { service: service.to_owned(), operations: BTreeMap::new(), undeclared, failures: BTreeMap::new() };
        for (path, item) in spec["paths"].as_object().context("the specification has no paths")? {
            for (method, operation) in item.as_object().into_iter().flatten() {
                let id = operation["operationId"].as_str().unwrap_or_default().to_owned();
                let label = format!("{} {path}", method.to_uppercase());
                report.operations.insert(label, Operation { id, statuses: BTreeMap::new() });
            }
        }
        for line in events.lines() {
            let event: Value = serde_json::from_str(line).context("a line of schemathesis' event log is not JSON")?;
            report.scenario(&event["ScenarioFinished"]["recorder"]);
            if let Some(error) = event.get("NonFatalError").or_else(|| event.get("FatalError")) {
                let message = short(error["info"]["message"].as_str().unwrap_or(&error.to_string()));
                let label = error["label"].as_str().unwrap_or("schemathesis").to_owned();
                report.failures.insert((label, "error".to_owned(), message), String::new());
            }
        }
        Ok(report)
    }

    fn scenario(&mut self, recorder: &Value) {
        let cases = &recorder["cases"];
        for (case, interaction) in recorder["interactions"].as_object().into_iter().flatten() {
            let Some(status) = interaction["response"]["status_code"].as_u64() else { continue };
            let label = label(&cases[case]["value"]);
            let operation = self.operations.get_mut(&label).unwrap_or(&mut self.undeclared);
            *operation.statuses.entry(status).or_default() += 1;
        }
        for (case, checks) in recorder["checks"].as_object().into_iter().flatten() {
            for check in checks.as_array().into_iter().flatten().filter(|check| check["status"] == "failure") {
                let failure = &check["failure_info"]["failure"];
                let message = [failure["title"].as_str(), failure["message"].as_str()];
                let message = short(&message.into_iter().flatten().collect::<Vec<_>>().join(": "));
                let name = check["name"].as_str().unwrap_or_default().to_owned();
                let example = reproduction(&recorder["interactions"][case]["request"]);
                self.failures.entry((label(&cases[case]["value"]), name, message)).or_insert(example);
            }
        }
    }

    /// Forgets all operations but these.
    pub(super) fn keep_only(&mut self, ids: &[String]) {
        self.operations.retain(|_, operation| ids.contains(&operation.id));
    }

    /// Returns the number of requests.
    pub(super) fn cases(&self) -> usize {
        self.all().map(|operation| operation.count(0..=999)).sum()
    }

    /// Returns the number of answers with 429.
    pub(super) fn rate_limited(&self) -> usize {
        self.all().map(|operation| operation.count(429..=429)).sum()
    }

    fn all(&self) -> impl Iterator<Item = &Operation> {
        self.operations.values().chain([&self.undeclared])
    }

    /// Returns the faults: failed checks, 5xx, operations that never succeeded.
    pub(super) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for ((operation, check, message), example) in &self.failures {
            faults.push(format!("{operation} · {check}: {message} {example}"));
        }
        for operation in self.all() {
            let broken = operation.count(500..=599);
            if broken > 0 {
                faults.push(format!("{} answered 5xx {broken} times", operation.id));
            }
        }
        for (label, operation) in &self.operations {
            if operation.count(200..=299) == 0 {
                faults.push(format!("{label} ({}) never answered 2xx", operation.id));
            }
        }
        faults
    }

    /// One line an operation.
    pub(super) fn table(&self) -> String {
        let columns: BTreeSet<u64> = self.all().flat_map(|operation| operation.statuses.keys().copied()).collect();
        let mut text = format!("\n| {} |", self.service);
        let mut rule = String::from("|---|");
        for status in &columns {
            // Writing to a String can't fail.
            let _ = write!(text, " {status} |");
            rule.push_str("---|");
        }
        let _ = write!(text, "\n{rule}");
        for operation in self.all() {
            let _ = write!(text, "\n| {} |", operation.id);
            for status in &columns {
                let count = operation.statuses.get(status).map_or_else(String::new, usize::to_string);
                let _ = write!(text, " {count} |");
            }
        }
        text
    }
}

fn label(case: &Value) -> String {
    format!("{} {}", case["method"].as_str().unwrap_or_default(), case["path"].as_str().unwrap_or_default())
}

fn short(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() > 300 { line.chars().take(299).chain(['…']).collect() } else { line }
}

/// The request, short enough to stand on a line.
fn reproduction(request: &Value) -> String {
    let uri = request["uri"].as_str().unwrap_or_default();
    format!("[{} {}]", request["method"].as_str().unwrap_or_default(), short(uri))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn spec() -> Value {
        json!({"paths": {
            "/a": {"get": {"operationId": "a_get"}},
            "/b": {"post": {"operationId": "b_create"}},
        }})
    }

    fn event(path: &str, method: &str, status: u64, check: &str) -> String {
        let failure = json!({"title": "Undocumented status code", "message": "Received: 418"});
        json!({"ScenarioFinished": {"recorder": {
            "label": format!("{method} {path}"),
            "cases": {"x": {"value": {"method": method, "path": path}}},
            "checks": {"x": [{"name": "status_code_conformance", "status": check, "failure_info": {"failure": failure}}]},
            "interactions": {"x": {"request": {"method": method, "uri": "http://h/a"}, "response": {"status_code": status}}},
        }}})
        .to_string()
    }

    #[test]
    fn a_clean_run_has_no_fault() {
        let log = [event("/a", "GET", 200, "success"), event("/b", "POST", 201, "success")].join("\n");
        let report = Report::read("core", &spec(), &log).unwrap();
        assert_eq!(report.faults(), Vec::<String>::new());
        assert_eq!((report.cases(), report.rate_limited()), (2, 0));
    }

    #[test]
    fn failed_checks_5xx_and_unreached_operations_are_faults_that_name_the_operation() {
        let log = [event("/a", "GET", 418, "failure"), event("/b", "POST", 500, "success")].join("\n");
        let faults = Report::read("core", &spec(), &log).unwrap().faults();
        assert_eq!(
            faults,
            [
                "GET /a · status_code_conformance: Undocumented status code: Received: 418 [GET http://h/a]",
                "b_create answered 5xx 1 times",
                "GET /a (a_get) never answered 2xx",
                "POST /b (b_create) never answered 2xx",
            ]
        );
    }

    #[test]
    fn the_table_has_a_line_an_operation() {
        let log = [event("/a", "GET", 200, "success"), event("/a", "GET", 429, "success")].join("\n");
        let report = Report::read("core", &spec(), &log).unwrap();
        assert_eq!(report.rate_limited(), 1);
        assert_eq!(
            report.table(),
            "\n| core | 200 | 429 |\n|---|---|---|\n| a_get | 1 | 1 |\n| b_create |  |  |\n| (undeclared methods) |  |  |"
        );
    }
}

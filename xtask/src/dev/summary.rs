//! Summary of a running stack for developers.

use std::net::SocketAddr;

use crate::stack::seed::ROLES;
use crate::stack::stack_file::StackFile;
use crate::stack::wait;

/// Prints addresses and tokens.
pub(crate) fn print(file: &StackFile) {
    let rows = [
        ("Core", file.core.as_str(), format!("{}/docs", file.core)),
        ("Telemetry", file.telemetry.as_str(), format!("{}/docs", file.telemetry)),
        ("PostgreSQL", file.database_url.as_str(), String::new()),
        ("Redis", file.redis_url.as_str(), String::new()),
        ("ClickHouse", file.clickhouse_url.as_str(), String::new()),
        ("S3", file.s3_endpoint.as_str(), String::new()),
        ("issuer", file.issuer_url.as_str(), String::new()),
        ("Daily", file.daily_url.as_str(), "a stand-in".to_owned()),
    ];
    let width = rows.iter().map(|(_, url, _)| url.len()).max().unwrap_or_default();
    println!();
    for (name, url, docs) in rows {
        println!("{}", format!("  {name:<11} {url:<width$}  {docs}").trim_end());
    }
    for organization in &file.organizations {
        println!("\n  {} (organization {})", organization.slug, organization.id);
        for role in ROLES {
            if let Some(token) = organization.tokens.get(role) {
                println!("    {role:<11} {token}");
            }
        }
    }
    if let Some(superadmin) = &file.superadmin {
        println!("\n  platform\n    {:<11} {}", "superadmin", superadmin);
    }
    println!("\n  The tokens are for Core and live 12 hours; those for Telemetry are in target/dev/stack.json, and");
    println!("  `cargo xtask token --role admin [--telemetry]` makes fresh ones.");
}

/// Prints the readiness of each server and its dependencies. Returns `true` if all are ready.
pub(crate) fn readiness(file: &StackFile) -> bool {
    println!();
    let mut all = true;
    for (name, url, pid) in [("Core", &file.core, file.pids.core), ("Telemetry", &file.telemetry, file.pids.telemetry)]
    {
        let address = url.trim_start_matches("http://").parse::<SocketAddr>();
        let answer = address.map_err(anyhow::Error::from).and_then(|address| wait::http("GET", address, "/ready", ""));
        let text = match answer {
            Ok((200, _)) => "ready".to_owned(),
            Ok((status, body)) => format!("not ready ({status}): {body}"),
            Err(error) => format!("does not answer: {error}"),
        };
        all &= text == "ready";
        println!("  {name:<11} pid {pid:<8} {text}");
    }
    all
}

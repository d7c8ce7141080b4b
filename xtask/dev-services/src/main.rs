//! Services of a development or test stack beside its databases: an S3 server that keeps objects as files, the local
//! issuer's public keys, in the place where Clerk would publish them, and a stand-in for Daily's API.
//!
//! Prints one JSON line with its addresses when it is ready,
//! `{"issuer":"http://…","daily":"http://…","s3":"http://…"}`, and ends when its stdin does, so that it never outlives
//! whoever started it.
#![allow(clippy::disallowed_methods, reason = "a tool of three variables has no config.rs")]
#![allow(clippy::print_stdout, reason = "the addresses on stdout are this program's interface")]

use std::io::Write as _;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Parser;
use tokio::net::TcpListener;
use xtask_daily::Daily;

mod issuer;
mod storage;

/// S3, the local issuer and a stand-in for Daily for a development or test stack.
#[derive(Debug, Parser)]
struct Arguments {
    /// The file with the issuer's public keys, as a JWKS endpoint serves them.
    #[arg(long)]
    jwks: PathBuf,
    /// The port of the issuer; 0 for any.
    #[arg(long, default_value_t = 0)]
    issuer_port: u16,
    /// The port of the stand-in for Daily; 0 for any. The key it accepts is DAILY_API_KEY of the environment.
    #[arg(long, default_value_t = 0)]
    daily_port: u16,
    /// The directory of the buckets; without it there is no S3 server. The credentials that requests must be signed
    /// with are AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY of the environment.
    #[arg(long)]
    s3_root: Option<PathBuf>,
    /// The port of the S3 server; 0 for any.
    #[arg(long, default_value_t = 0)]
    s3_port: u16,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let (issuer, issuer_url) = listen(arguments.issuer_port).await?;
    tokio::spawn(issuer::serve(issuer, arguments.jwks));

    let variable = |name| std::env::var(name).with_context(|| format!("{name} is not set"));
    let (daily, daily_url) = listen(arguments.daily_port).await?;
    tokio::spawn(Daily::new(&variable("DAILY_API_KEY")?).serve(daily));

    let s3_url = match &arguments.s3_root {
        Some(root) => {
            let service = storage::service(root, &variable("AWS_ACCESS_KEY_ID")?, &variable("AWS_SECRET_ACCESS_KEY")?)?;
            let (listener, url) = listen(arguments.s3_port).await?;
            tokio::spawn(storage::serve(listener, service));
            Some(url)
        }
        None => None,
    };
    println!("{}", serde_json::json!({"issuer": issuer_url, "daily": daily_url, "s3": s3_url}));
    std::io::stdout().flush()?;

    // The parent holds the other end and never writes: the end of input is the parent's end, or its wish.
    tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink())).await??;
    Ok(())
}

async fn listen(port: u16) -> Result<(TcpListener, String)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .await
        .with_context(|| format!("cannot listen on 127.0.0.1:{port}"))?;
    let url = format!("http://{}", listener.local_addr()?);
    Ok((listener, url))
}

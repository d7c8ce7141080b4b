//! `cargo xtask codegen [--check]`: handlers → specifications → SDKs.
//!
//! The order is the dependency order: Telemetry's specification, the Rust client Core compiles against, Core's
//! specification, its Rust client, then the TypeScript clients. A step that fails names itself and leaves the files of
//! later steps as they are. Files are written beside their place and renamed into it, so a reader never sees half of
//! one.

mod files;
mod operations;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::stack::paths;
use crate::tools;
use files::{differences, replace_directory, replace_file};

/// A service and what is made from it.
#[derive(Clone, Copy)]
struct Service {
    name: &'static str,
    package: &'static str,
}

const TELEMETRY: Service = Service { name: "telemetry", package: "server-telemetry" };
const CORE: Service = Service { name: "core", package: "server-core" };

/// Files that the command writes, relative to the root of the checkout.
const GENERATED: [&str; 8] = [
    "openapi/telemetry.json",
    "openapi/telemetry.operations.txt",
    "openapi/core.json",
    "openapi/core.operations.txt",
    "sdk/rust/src/telemetry.rs",
    "sdk/rust/src/core.rs",
    "sdk/typescript/src/client/telemetry",
    "sdk/typescript/src/client/core",
];

/// Generates both specifications and both SDKs, or with `check` only compares them with what is there.
///
/// # Errors
/// Fails if a step fails, and with `check` if a file differs.
pub(crate) fn run(check: bool) -> Result<()> {
    let checkout = paths::checkout();
    if !check {
        return generate(&checkout);
    }
    let fresh = tempfile::tempdir().context("cannot create a temporary directory")?;
    generate(fresh.path())?;
    let different = differences(&checkout, fresh.path(), &GENERATED)?;
    if different.is_empty() {
        eprintln!("    specifications and SDKs match the handlers");
        return Ok(());
    }
    bail!(
        "these files don't match the handlers:\n  {}\nGenerate and commit them:\n  cargo xtask codegen",
        different.join("\n  ")
    )
}

fn generate(root: &Path) -> Result<()> {
    for service in [TELEMETRY, CORE] {
        let spec = specification(service, root)?;
        rust_client(service, &spec, root)?;
    }
    for service in [TELEMETRY, CORE] {
        typescript_client(service, root)?;
    }
    Ok(())
}

/// Steps are announced by what they make, so that a failure says which one it was.
fn step<T>(service: Service, what: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    eprintln!("    {} · {what}", service.name);
    work().with_context(|| format!("step «{} · {what}» failed; later files are untouched", service.name))
}

/// Writes the document the service prints and the index of its operations; returns the document's path.
fn specification(service: Service, root: &Path) -> Result<PathBuf> {
    step(service, "specification", || {
        let mut command = tools::cargo();
        // By `--bin` and not by `--package`: so it is built with the features of the whole workspace, as everywhere
        // else, and nothing is built twice.
        command.args(["run", "--quiet", "--bin", service.package, "--", "openapi"]);
        let document = tools::capture(&mut command, &format!("{} openapi", service.package))?;
        let parsed = serde_json::from_slice(&document)
            .with_context(|| format!("{} openapi did not print JSON", service.package))?;
        let index = operations::index(&parsed)?;

        let path = root.join(format!("openapi/{}.json", service.name));
        replace_file(&path, &document)?;
        replace_file(&root.join(format!("openapi/{}.operations.txt", service.name)), index.as_bytes())?;
        Ok(path)
    })
}

fn rust_client(service: Service, spec: &Path, root: &Path) -> Result<()> {
    step(service, "Rust client", || {
        let out = tempfile::NamedTempFile::new().context("cannot create a temporary file")?;
        let mut command = tools::cargo();
        command.args(["run", "--quiet", "--bin", "xtask-codegen", "--"]).arg(spec).arg(out.path());
        tools::run(&mut command, "xtask-codegen")?;
        let source = std::fs::read(out.path())?;
        replace_file(&root.join(format!("sdk/rust/src/{}.rs", service.name)), &source)
    })
}

fn typescript_client(service: Service, root: &Path) -> Result<()> {
    step(service, "TypeScript client", || {
        let place = root.join(format!("sdk/typescript/src/client/{}", service.name));
        replace_directory(&place, |out| {
            let mut command = tools::node("openapi-ts")?;
            command
                .arg("--file")
                .arg(paths::checkout().join("xtask/tools/openapi-ts.config.mjs"))
                .arg("--silent")
                .env("OPENAPI_TS_SPEC", root.join(format!("openapi/{}.json", service.name)))
                .env("OPENAPI_TS_OUT", out);
            // Its crash logs would land in the checkout.
            command.arg("--no-log-file").current_dir(out);
            tools::run(&mut command, "openapi-ts")?;
            let sdk = out.join("sdk.gen.ts");
            let spec = serde_json::from_slice(&std::fs::read(root.join(format!("openapi/{}.json", service.name)))?)?;
            std::fs::write(&sdk, blobs(&std::fs::read_to_string(&sdk)?, &spec))?;
            // The vendored client's comment links to a package's page; the package's name says as much.
            let types = out.join("client/types.gen.ts");
            let text = std::fs::read_to_string(&types)?;
            let lines = text.lines().map(package_link_drop).collect::<Vec<_>>().join("\n") + "\n";
            Ok(std::fs::write(&types, lines)?)
        })
    })
}

/// Lets operations that answer with any bytes return a `Blob`, as their types say; of a media type `text/…` the client
/// would make a string.
fn blobs(sdk: &str, spec: &Value) -> String {
    let mut made = String::with_capacity(sdk.len());
    let mut is_blob = false;
    for line in sdk.lines() {
        if let Some(named) = line.strip_prefix("export const ") {
            let name = named.split(' ').next().unwrap_or_default();
            is_blob = operations::binary(spec).any(|id| id.replace('_', "").eq_ignore_ascii_case(name));
        }
        made.push_str(line);
        made.push('\n');
        if is_blob && line.starts_with("    url: ") {
            made.push_str("    parseAs: 'blob',\n");
        }
    }
    made
}

/// `{@link <address> `<package>`}` → `` `<package>` ``.
fn package_link_drop(line: &str) -> String {
    match (line.find("{@link "), line.find(" `@"), line.find("`}")) {
        (Some(start), Some(name), Some(end)) if start < name && name < end => {
            format!("{}{}{}", &line[..start], &line[name + 1..=end], &line[end + 2..])
        }
        _ => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn answers_of_any_bytes_are_blobs() {
        let answer = |content: Value| json!({ "responses": { "200": { "content": content } } });
        let mut table = answer(json!({ "text/csv": { "schema": { "type": "string", "format": "binary" } } }));
        table["operationId"] = json!("csv_export");
        let mut feed = answer(json!({ "text/calendar": { "schema": { "type": "string" } } }));
        feed["operationId"] = json!("calendar_feed_get");
        let spec = json!({ "paths": { "/t": { "post": table }, "/f": { "get": feed } } });
        let sdk = "export const calendarFeedGet = <T>() => get({\n    url: '/f',\n});\n\n\
                   export const csvExport = <T>() => post({\n    url: '/t',\n    ...options\n});\n";
        let expected = sdk.replace("    url: '/t',\n", "    url: '/t',\n    parseAs: 'blob',\n");
        assert_eq!(blobs(sdk, &spec), expected);
    }
}

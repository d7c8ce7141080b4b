//! People of a clinic who send requests, one after the other.

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::{Value, json};

use crate::http::Connection;
use crate::server::Server;
use crate::setup::Setup;

/// A person of a clinic.
#[derive(Debug)]
pub(crate) struct Person {
    /// `host:port` of Core.
    address: String,
    /// Header lines of every request.
    headers: String,
}

/// Parts of an answer that the next request refers to.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Row {
    pub(crate) id: u64,
    pub(crate) version: u64,
}

impl Person {
    /// Returns the person with token `number`, as somebody of an organization.
    pub(crate) fn new(setup: &Setup, server: &Server, number: u32, organization: u32) -> Result<Self> {
        let address = server.address.clone();
        let headers = format!(
            "Host: {address}\r\nUser-Agent: xtask-bench\r\nAuthorization: Bearer {}\r\n\
             X-Organization-Id: {organization}\r\nContent-Type: application/json\r\n",
            setup.token(number)?
        );
        Ok(Self { address, headers })
    }

    pub(crate) async fn connect(&self) -> Result<Connection> {
        Connection::connect(&self.address).await
    }

    /// Writes a request.
    pub(crate) fn request(&self, method: &str, path: &str, body: &Value) -> String {
        let (headers, body) = (&self.headers, body.to_string());
        let length = body.len();
        format!("{method} {path} HTTP/1.1\r\n{headers}Content-Length: {length}\r\n\r\n{body}")
    }

    /// Sends a request and returns what it reads of its answer; fails if it is refused.
    pub(crate) async fn ask<T: DeserializeOwned>(
        &self,
        connection: &mut Connection,
        method: &str,
        path: &str,
        body: &Value,
    ) -> Result<T> {
        let status = connection.call(self.request(method, path, body).as_bytes()).await?;
        if !matches!(status, 200 | 201) {
            let said = String::from_utf8_lossy(connection.body()).chars().take(500).collect::<String>();
            bail!("{method} {path} was answered {status}: {said}");
        }
        serde_json::from_slice(connection.body()).with_context(|| format!("the answer of {method} {path}"))
    }

    /// Creates a form template and publishes it; returns its id.
    pub(crate) async fn template(&self, connection: &mut Connection, name: &str, definition: &Value) -> Result<u64> {
        let body = json!({ "name": name, "definition": definition });
        let made: Row = self.ask(connection, "POST", "/v1/form-templates", &body).await?;
        let path = format!("/v1/form-templates/{}/publish", made.id);
        let _: IgnoredAny = self.ask(connection, "POST", &path, &json!({ "version": made.version })).await?;
        Ok(made.id)
    }
}

/// Returns the item of a form template that asks for a value of this kind.
pub(crate) fn item(key: &str, kind: &str, phi: bool) -> Value {
    let field = json!({ "field_type": kind, "label": key, "phi": phi });
    json!({ "key": key, "field": { "definition": field } })
}

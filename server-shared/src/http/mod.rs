//! The HTTP frame: everything between the socket and a handler that is the same in both servers.

pub mod access_log;
pub mod attack;
pub mod authorization;
pub mod body;
mod census;
pub mod client_ip;
mod connection;
pub mod cors;
pub mod csv;
pub mod disposition;
pub mod docs;
pub mod document;
pub mod encoding;
pub mod failure;
pub mod health;
mod json;
pub mod metrics;
pub mod operation;
pub mod page;
mod parameter;
pub mod path;
pub mod rate_limit;
pub mod request_id;
pub mod response;
pub mod schema;
pub mod security_headers;
pub mod service;
pub mod streamed;
pub mod unrouted;
pub mod written;

pub use body::{Body, RawBody};
pub use operation::{Gate, Operation};
pub use page::{Page, PageMeta, Paging, Total};
pub use path::{PathId, PathIds};
pub use request_id::{ClientRequestId, RequestId};
pub use response::{Accepted, Created, NoContent};

//! `Content-Encoding`: whether the body of a request is compressed, and whether its operation takes that.
//!
//! The frame refuses an encoding that an operation does not take, so no handler can read compressed bytes as if they
//! were plain. An extractor that unpacks bodies says so in the description of the body that it publishes.

use poem::{
    Request,
    http::{StatusCode, header},
};
use poem_openapi::registry::{MetaOperation, MetaRequest};

use crate::error::ApiError;

/// Description of a body that may be compressed.
const PLAIN_OR_GZIP: &str = "Plain, or compressed and sent with `Content-Encoding: gzip`.";

/// Encoding of a request's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// As it is.
    Plain,
    /// `gzip`, which is also called `x-gzip`.
    Gzip,
}

impl Encoding {
    /// Reads the header of `request`. `None` for an encoding that no operation takes, and for several.
    pub fn of(request: &Request) -> Option<Self> {
        let mut values = request.headers().get_all(header::CONTENT_ENCODING).iter();
        let Some(value) = values.next() else { return Some(Self::Plain) };
        let value = value.to_str().ok().filter(|_| values.next().is_none())?;
        match value.trim().to_ascii_lowercase().as_str() {
            "identity" => Some(Self::Plain),
            "gzip" | "x-gzip" => Some(Self::Gzip),
            _ => None,
        }
    }

    /// Declares that the body of `request` may be compressed; its extractor unpacks it.
    #[must_use]
    pub fn declare_gzip(request: MetaRequest) -> MetaRequest {
        MetaRequest { description: Some(PLAIN_OR_GZIP), ..request }
    }
}

/// Returns true if the extractor of the operation's body unpacks it.
pub(super) fn takes_gzip(operation: &MetaOperation) -> bool {
    operation.request.as_ref().is_some_and(|request| request.description == Some(PLAIN_OR_GZIP))
}

/// Refuses a body whose encoding the operation does not accept.
pub(super) fn check(request: &Request, takes_gzip: bool) -> Result<(), ApiError> {
    match Encoding::of(request) {
        Some(Encoding::Plain) => Ok(()),
        Some(Encoding::Gzip) if takes_gzip => Ok(()),
        _ => {
            let message = if takes_gzip {
                "Send the body plain or with `Content-Encoding: gzip`."
            } else {
                "This operation takes no encoded body; send it plain, without `Content-Encoding`."
            };
            Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_content_encoding", message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(values: &[&[u8]], takes_gzip: bool) -> Option<u16> {
        let request =
            values.iter().fold(Request::builder(), |request, value| request.header("Content-Encoding", *value));
        check(&request.finish(), takes_gzip).err().map(|error| error.status().as_u16())
    }

    #[test]
    fn an_operation_takes_the_encodings_that_it_can_read() {
        let as_it_is: [&[&[u8]]; 3] = [&[], &[b"identity"], &[b" Identity "]];
        for plain in as_it_is {
            assert_eq!((status(plain, false), status(plain, true)), (None, None), "{plain:?}");
        }
        let compressed: [&[&[u8]]; 2] = [&[b"gzip"], &[b"x-GZIP"]];
        for gzip in compressed {
            assert_eq!((status(gzip, false), status(gzip, true)), (Some(415), None), "{gzip:?}");
        }
        let refused: [&[&[u8]]; 7] = [
            &[b"br"],
            &[b""],
            &[b"\xff"],
            &[b"gzip, gzip"],
            &[b"identity, gzip"],
            &[b"gzip", b"gzip"],
            &[b"identity", b"identity"],
        ];
        for other in refused {
            assert_eq!((status(other, false), status(other, true)), (Some(415), Some(415)), "{other:?}");
        }
    }
}

//! The ids in the path of a request, read once.
//!
//! A path has two forms: as it was sent, and as the router decodes it. If one part of a service used the first and
//! another the second, a request could be allowed for one resource and carried out on another. So the frame reads the
//! ids that the router found and requires each to be written in its canonical form. The gate, the audit trail and all
//! others take the ids from [`PathIds`]; handlers take the router's text, which is then the same.

use std::{fmt, sync::Arc};

use poem::Request;
use poem_openapi::registry::{MetaOperationParam, MetaSchemaRef};
use uuid::Uuid;

use super::{document::LARGEST_INTEGER, operation::Operation};
use crate::error::ApiError;

/// Reads a number from 1 to 2^53 − 1, written in digits alone: no sign, no leading zero, no blank.
pub fn id_number(text: &str) -> Option<i64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    let id = plain.then(|| text.parse().ok()).flatten();
    id.filter(|id| (1..=LARGEST_INTEGER).contains(id))
}

/// Reads a UUID in its canonical form: lower case, with four hyphens.
pub fn id_uuid(text: &str) -> Option<Uuid> {
    let id = Uuid::try_parse(text).ok()?;
    (id.as_hyphenated().encode_lower(&mut Uuid::encode_buffer()) == text).then_some(id)
}

/// A parameter of a path, as the specification states it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PathParameter {
    /// Name of the parameter.
    pub(crate) name: String,
    /// Index of its segment in the path.
    segment: usize,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Number,
    Uuid,
    /// No id: a slug.
    Text,
}

impl PathParameter {
    pub(crate) fn of(path: &str, meta: &MetaOperationParam) -> Self {
        let place = format!("{{{}}}", meta.name);
        let kind = match &meta.schema {
            MetaSchemaRef::Inline(schema) => match (schema.ty, schema.format) {
                ("integer", _) => Kind::Number,
                (_, Some("uuid")) => Kind::Uuid,
                _ => Kind::Text,
            },
            MetaSchemaRef::Reference(_) => Kind::Text,
        };
        let segment = path.split('/').position(|segment| segment == place).unwrap_or_default();
        Self { name: meta.name.clone(), segment, kind }
    }
}

/// An id of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathId {
    /// A number that this service assigned.
    Number(i64),
    /// A UUID.
    Uuid(Uuid),
}

impl fmt::Display for PathId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Uuid(uuid) => uuid.fmt(f),
        }
    }
}

/// The ids in the path of the request at hand, found in its extensions, in the order of the path; `None`
/// for a parameter that is no id.
#[derive(Debug, Clone, Default)]
pub struct PathIds(Arc<[(String, Option<PathId>)]>);

impl PathIds {
    /// Returns the ids of `request`. Empty if the request is for no operation, or if an id is not in its canonical
    /// form: such a request is refused after its gate.
    pub fn of(request: &Request) -> Self {
        request.extensions().get::<Self>().cloned().unwrap_or_default()
    }

    /// Returns the number called `name`.
    pub fn number(&self, name: &str) -> Option<i64> {
        self.0.iter().find_map(|(parameter, id)| match id {
            Some(PathId::Number(number)) if parameter == name => Some(*number),
            _ => None,
        })
    }

    /// Returns the id in the path's last parameter, which the request is about; `None` if that is no id.
    pub fn last(&self) -> Option<PathId> {
        self.0.last().and_then(|(_, id)| *id)
    }

    /// Reads the ids that the router found. Answers 404 to an id with percent-encoding, which no id needs, and 400 to
    /// one that is malformed or written another way.
    pub(crate) fn read(operation: &Operation, request: &Request) -> Result<Self, ApiError> {
        let mut ids = Vec::with_capacity(operation.path_parameters.len());
        for (index, parameter) in operation.path_parameters.iter().enumerate() {
            if parameter.kind == Kind::Text {
                ids.push((parameter.name.clone(), None));
                continue;
            }
            // poem-openapi calls them by their order.
            let routed = request.raw_path_param(&format!("param{index}")).unwrap_or_default();
            if request.uri().path().split('/').nth(parameter.segment) != Some(routed) {
                return Err(ApiError::not_found("route_not_found", "There is no such path: ids are never encoded."));
            }
            let id = match parameter.kind {
                Kind::Number => id_number(routed).map(PathId::Number),
                Kind::Uuid | Kind::Text => id_uuid(routed).map(PathId::Uuid),
            };
            let id = id.ok_or_else(|| super::operation::bad_parameter(&parameter.name, "path"))?;
            ids.push((parameter.name.clone(), Some(id)));
        }
        Ok(Self(ids.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_one_spelling() {
        assert_eq!((id_number("1"), id_number("9007199254740991")), (Some(1), Some(LARGEST_INTEGER)));
        for text in
            ["", "0", "+5", "-5", "05", "5 ", "٥", "5.0", "5e0", "0x5", "9007199254740992", "99999999999999999999"]
        {
            assert_eq!(id_number(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_uuid_has_one_spelling() {
        let text = "0190b6a0-7c1e-7b5e-9a55-0d2b6d1f3c11";
        assert_eq!(id_uuid(text).map(|id| id.to_string()).as_deref(), Some(text));
        let spelt = [text.to_uppercase(), text.replace('-', ""), format!("{{{text}}}"), format!("urn:uuid:{text}")];
        for text in spelt.iter().map(String::as_str).chain(["", "7"]) {
            assert_eq!(id_uuid(text), None, "{text:?}");
        }
    }
}

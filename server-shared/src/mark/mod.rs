//! Types that state how a value may leave the service, and their marks in the specification.
//!
//! [`Phi`] is a value that is protected health information, [`Disclosed`] an answer that an audit entry was written
//! for, [`ShownOnce`] a secret. Each leaves its mark in the schemas of poem-openapi's registry, as the name of the
//! schema's Rust type, which is not printed. The schemas of an operation's answers tell its marks, so there is no list
//! of operations that could be incomplete.

mod disclosed;
mod phi;
mod shown_once;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use poem_openapi::registry::{MetaMediaType, MetaOperation, MetaSchema, MetaSchemaRef, Registry};

pub use self::{
    disclosed::{Disclosed, Door},
    phi::Phi,
    shown_once::ShownOnce,
};

/// A mark of a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Mark {
    /// An answer that an audit entry was written for.
    Disclosed,
    /// A value that is protected health information.
    Phi,
    /// A secret that is shown once.
    ShownOnce,
}

impl Mark {
    const ALL: [Self; 3] = [Self::Disclosed, Self::Phi, Self::ShownOnce];

    /// Name of the type that leaves the mark.
    const fn name(self) -> &'static str {
        match self {
            Self::Disclosed => "server_shared::mark::Disclosed",
            Self::Phi => "server_shared::mark::Phi",
            Self::ShownOnce => "server_shared::mark::ShownOnce",
        }
    }

    fn of(schema: &MetaSchema) -> Option<Self> {
        Self::ALL.into_iter().find(|mark| schema.rust_typename == Some(mark.name()))
    }

    /// Returns `schema` with this mark. One that has a name or a mark already is put into a schema that has neither.
    fn put(self, schema: MetaSchemaRef) -> MetaSchemaRef {
        match schema {
            MetaSchemaRef::Inline(schema) if schema.rust_typename.is_none() => {
                MetaSchemaRef::Inline(Box::new(MetaSchema { rust_typename: Some(self.name()), ..*schema }))
            }
            named => self.around(named),
        }
    }

    /// Returns a schema that carries this mark and is otherwise `schema`.
    fn around(self, schema: MetaSchemaRef) -> MetaSchemaRef {
        let rust_typename = Some(self.name());
        MetaSchemaRef::Inline(Box::new(MetaSchema { rust_typename, all_of: vec![schema], ..MetaSchema::ANY }))
    }
}

/// Removes the schemas that [`Disclosed`] has put around those of an operation's answers, so that the specification
/// shows the inner ones.
pub(crate) fn unwrap_answers(operation: &mut MetaOperation) {
    for media in operation.responses.responses.iter_mut().flat_map(|response| &mut response.content) {
        if let MetaSchemaRef::Inline(around) = &mut media.schema
            && Mark::of(around) == Some(Mark::Disclosed)
            && let Some(inner) = around.all_of.pop()
        {
            media.schema = inner;
        }
    }
}

/// Marks in the schemas of an operation, each with the first place that has it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Marks {
    answered: BTreeMap<Mark, String>,
    taken: BTreeMap<Mark, String>,
    /// First text of an answer that has the name of a secret, but not the type.
    unmarked_secret: Option<String>,
}

impl Marks {
    /// Follows the schemas of an operation; `registry` holds those that have names.
    pub(crate) fn of(operation: &MetaOperation, registry: &Registry) -> Self {
        let answers = operation.responses.responses.iter().flat_map(|response| &response.content);
        let answers = Walk::over(answers, registry);
        let bodies = Walk::over(operation.request.iter().flat_map(|request| &request.content), registry);
        Self { answered: answers.marks, taken: bodies.marks, unmarked_secret: answers.unmarked_secret }
    }

    /// Returns true if the operation discloses protected health information.
    pub(crate) fn disclosed(&self) -> bool {
        self.answered.contains_key(&Mark::Disclosed)
    }

    /// Returns true if an answer shows a secret that is shown once.
    pub(crate) fn shows_secret(&self) -> bool {
        self.answered.contains_key(&Mark::ShownOnce)
    }

    /// Returns the faults of the operation, each with its remedy.
    pub(crate) fn faults(&self, operation_id: &str) -> Vec<String> {
        let undisclosed = self.answered.get(&Mark::Phi).filter(|_| !self.disclosed()).map(|place| {
            format!(
                "{operation_id} answers with {place}, which is protected health information: return it as Disclosed"
            )
        });
        let unmarked = self.unmarked_secret.as_ref().map(|place| {
            format!("{operation_id} answers with {place}, which is called like a secret: make it ShownOnce")
        });
        let taken = self.taken.get(&Mark::ShownOnce).map(|place| {
            format!("{operation_id} takes {place}, which is only ever answered: make it another type than ShownOnce")
        });
        undisclosed.into_iter().chain(unmarked).chain(taken).collect()
    }
}

/// A traversal of schemas that visits each once.
struct Walk<'a> {
    registry: &'a Registry,
    seen: BTreeSet<&'a str>,
    marks: BTreeMap<Mark, String>,
    unmarked_secret: Option<String>,
}

impl<'a> Walk<'a> {
    fn over(contents: impl Iterator<Item = &'a MetaMediaType>, registry: &'a Registry) -> Self {
        let mut walk = Self { registry, seen: BTreeSet::new(), marks: BTreeMap::new(), unmarked_secret: None };
        for media in contents {
            walk.visit(&media.schema, "the body");
        }
        walk
    }

    /// Visits a schema at `place`.
    fn visit(&mut self, schema: &'a MetaSchemaRef, place: &str) {
        let (schema, owner) = match schema {
            MetaSchemaRef::Inline(schema) => (&**schema, place),
            MetaSchemaRef::Reference(name) => {
                let Some(schema) = self.registry.schemas.get(name).filter(|_| self.seen.insert(name)) else { return };
                (schema, name.as_str())
            }
        };
        if let Some(mark) = Mark::of(schema) {
            self.marks.entry(mark).or_insert_with(|| place.to_owned());
        }
        for (name, field) in &schema.properties {
            let place = format!("{owner}.{name}");
            if is_plain_text(field) && is_called_secret(name) {
                self.unmarked_secret.get_or_insert_with(|| place.clone());
            }
            self.visit(field, &place);
        }
        let parts = schema.items.as_deref().into_iter().chain(schema.additional_properties.as_deref());
        for part in parts.chain(&schema.any_of).chain(&schema.one_of).chain(&schema.all_of) {
            self.visit(part, owner);
        }
    }
}

/// Returns true for a text without a mark, and for a list of them.
fn is_plain_text(schema: &MetaSchemaRef) -> bool {
    let MetaSchemaRef::Inline(schema) = schema else { return false };
    schema.rust_typename.is_none() && (schema.ty == "string" || schema.items.as_deref().is_some_and(is_plain_text))
}

fn is_called_secret(field: &str) -> bool {
    field
        .rsplit('_')
        .next()
        .is_some_and(|noun| ["secret", "token", "password"].contains(&noun.strip_suffix('s').unwrap_or(noun)))
}

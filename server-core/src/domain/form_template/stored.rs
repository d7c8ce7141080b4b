use std::{borrow::Cow, marker::PhantomData};

use poem_openapi::{
    registry::{MetaSchemaRef, Registry},
    types::{ParseFromJSON, ParseResult, ToJSON, Type},
};
use serde_json::Value;

use crate::database::DatabaseError;

/// JSON of a `T` as it is stored. Answers repeat it unchanged, whatever version of the service wrote it, so that
/// everybody can compute the hash of a published version from its answer.
#[derive(Debug, Clone)]
pub(crate) struct AsStored<T> {
    json: Value,
    form: PhantomData<fn() -> T>,
}

impl<T> AsStored<T> {
    /// Takes what is stored.
    pub(super) fn new(json: Value) -> Self {
        Self { json, form: PhantomData }
    }

    /// Takes the items of a list that is stored.
    pub(super) fn list(json: Value) -> Vec<Self> {
        match json {
            Value::Array(items) => items.into_iter().map(Self::new).collect(),
            _ => Vec::new(),
        }
    }

    /// Returns what is stored.
    pub(super) fn json(&self) -> &Value {
        &self.json
    }
}

impl<T> From<Value> for AsStored<T> {
    fn from(json: Value) -> Self {
        Self::new(json)
    }
}

impl<T: ToJSON> AsStored<T> {
    /// Writes a value as it is to be stored.
    pub(super) fn of(value: &T) -> Self {
        Self::new(value.to_json().unwrap_or_default())
    }
}

impl<T: ParseFromJSON> AsStored<T> {
    /// Reads what is stored.
    pub(super) fn read(&self) -> Result<T, DatabaseError> {
        // The error's message may repeat what was written.
        T::parse_from_json(Some(self.json.clone()))
            .map_err(|_| DatabaseError::Damaged(format!("no {} can be read of a form template", T::name())))
    }
}

impl<T: Type> Type for AsStored<T> {
    const IS_REQUIRED: bool = T::IS_REQUIRED;
    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        T::name()
    }

    fn schema_ref() -> MetaSchemaRef {
        T::schema_ref()
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(std::iter::once(self))
    }
}

impl<T: Type> ParseFromJSON for AsStored<T> {
    fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
        Ok(Self::new(value.unwrap_or_default()))
    }
}

impl<T: Type> ToJSON for AsStored<T> {
    fn to_json(&self) -> Option<Value> {
        Some(self.json.clone())
    }
}

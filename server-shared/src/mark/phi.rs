use std::{borrow::Cow, fmt};

use poem_openapi::{
    registry::{MetaSchemaRef, Registry},
    types::{ParseError, ParseFromJSON, ParseResult, ToJSON, Type},
};
use serde_json::Value;

use super::Mark;

/// A value that is protected health information.
///
/// Opening a sealed column returns one, and models hold it. If an operation answers with one that is not
/// [`super::Disclosed`], the specification can't be made and the server does not start. Its `Debug` shows nothing of
/// the value:
///
/// ```
/// # use server_shared::mark::Phi;
/// let notes = Phi::from("Left knee, six weeks after surgery.");
/// assert_eq!(format!("{notes:?}"), "Phi(…)");
/// ```
///
/// It does not convert to text by itself:
///
/// ```compile_fail,E0277
/// # use server_shared::mark::Phi;
/// let notes = Phi::from("Left knee, six weeks after surgery.");
/// println!("{notes}");
/// ```
///
/// ```compile_fail,E0308
/// # use server_shared::mark::Phi;
/// let notes: &str = Phi::from("Left knee, six weeks after surgery.");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Phi<T>(T);

impl<T> Phi<T> {
    /// Converts the value, which stays protected; for parsing one that is stored as text.
    pub fn try_map<U, E>(self, work: impl FnOnce(T) -> Result<U, E>) -> Result<Phi<U>, E> {
        work(self.0).map(Phi)
    }

    /// Looks at the value, to compare or to seal it.
    pub fn get(&self) -> &T {
        &self.0
    }

    /// Takes the value out, to store it or to write it into a document that is disclosed as a whole. An answer takes
    /// the value as it is.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> From<T> for Phi<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl<T> fmt::Debug for Phi<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Phi(…)")
    }
}

impl<T: Type> Type for Phi<T> {
    const IS_REQUIRED: bool = T::IS_REQUIRED;
    type RawValueType = T::RawValueType;
    type RawElementValueType = T::RawElementValueType;

    fn name() -> Cow<'static, str> {
        T::name()
    }

    fn schema_ref() -> MetaSchemaRef {
        Mark::Phi.put(T::schema_ref())
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn as_raw_value(&self) -> Option<&Self::RawValueType> {
        self.0.as_raw_value()
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self::RawElementValueType> + 'a> {
        self.0.raw_element_iter()
    }
}

impl<T: ToJSON> ToJSON for Phi<T> {
    fn to_json(&self) -> Option<Value> {
        self.0.to_json()
    }
}

impl<T: ParseFromJSON> ParseFromJSON for Phi<T> {
    fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
        T::parse_from_json(value).map(Self).map_err(ParseError::propagate)
    }
}

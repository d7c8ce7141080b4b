use std::borrow::Cow;

use poem_openapi::{
    registry::{MetaSchemaRef, Registry},
    types::{ParseError, ParseFromJSON, ParseResult, ToJSON, Type},
};
use secrecy::{ExposeSecret, SecretBox, zeroize::Zeroize};
use serde_json::Value;

use super::Mark;

/// Secret for the only answer that shows it.
///
/// A response type that holds one marks its operations: their answers are not kept for a repeated request. It can't be
/// written as text, copied or logged, and its memory is cleared when it is dropped:
///
/// ```
/// # use poem_openapi::types::ToJSON;
/// # use server_shared::mark::ShownOnce;
/// let token = ShownOnce::new("rxkey_4f7a".to_owned());
/// assert!(!format!("{token:?}").contains("4f7a"));
/// assert_eq!(token.to_json(), Some("rxkey_4f7a".into()));
/// ```
///
/// ```compile_fail,E0308
/// # use server_shared::mark::ShownOnce;
/// let token = ShownOnce::new("rxkey_4f7a".to_owned());
/// let kept: String = token;
/// ```
///
/// ```compile_fail,E0599
/// # use server_shared::mark::ShownOnce;
/// let token = ShownOnce::new("rxkey_4f7a".to_owned());
/// let kept = token.clone();
/// ```
///
/// ```compile_fail,E0277
/// # use server_shared::mark::ShownOnce;
/// let token = ShownOnce::new("rxkey_4f7a".to_owned());
/// let kept = format!("{token}");
/// ```
///
/// ```compile_fail,E0277
/// # use server_shared::mark::ShownOnce;
/// let token = ShownOnce::new("rxkey_4f7a".to_owned());
/// let kept = serde_json::to_value(&token);
/// ```
#[derive(Debug)]
pub struct ShownOnce<T: Zeroize>(SecretBox<T>);

impl<T: Zeroize> ShownOnce<T> {
    /// Takes a secret that was just made.
    pub fn new(secret: T) -> Self {
        Self(SecretBox::new(Box::new(secret)))
    }
}

impl<T: Type + Zeroize> Type for ShownOnce<T> {
    const IS_REQUIRED: bool = T::IS_REQUIRED;
    type RawValueType = T::RawValueType;
    type RawElementValueType = T::RawElementValueType;

    fn name() -> Cow<'static, str> {
        T::name()
    }

    fn schema_ref() -> MetaSchemaRef {
        Mark::ShownOnce.put(T::schema_ref())
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn as_raw_value(&self) -> Option<&Self::RawValueType> {
        self.0.expose_secret().as_raw_value()
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self::RawElementValueType> + 'a> {
        self.0.expose_secret().raw_element_iter()
    }
}

impl<T: ToJSON + Zeroize> ToJSON for ShownOnce<T> {
    fn to_json(&self) -> Option<Value> {
        self.0.expose_secret().to_json()
    }
}

/// Refuses every value. poem-openapi derives parsing for every model, but no request holds a secret of this service.
impl<T: Type + Zeroize> ParseFromJSON for ShownOnce<T> {
    fn parse_from_json(_value: Option<Value>) -> ParseResult<Self> {
        Err(ParseError::custom("is only ever answered"))
    }
}

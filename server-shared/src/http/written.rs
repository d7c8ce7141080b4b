//! Answers that are written straight to bytes.
//!
//! poem-openapi's `Json` first builds a tree of [`Value`](serde_json::Value)s: an allocation and a hash for each field
//! of each entry of a list. A type that is answered often states its fields once more in [`written!`](crate::written),
//! and is answered as [`Written`]. The specification stays that of the type; a test compares both forms.

use chrono::{DateTime, Utc};
use poem::{IntoResponse, Response, error::InternalServerError};
use poem_openapi::{
    ApiResponse,
    payload::{Json, Payload},
    registry::{MetaMediaType, MetaResponses, Registry},
    types::{Example, ParseFromJSON, ToJSON, Type},
};
use serde::{
    Serialize, Serializer,
    ser::{SerializeMap, SerializeStruct as _},
};
use uuid::Uuid;

use super::page::{Page, PageMeta};

/// 200 with a JSON body.
#[derive(Debug, Clone)]
pub struct Written<T>(pub T);

impl<T: Type + Serialize> ApiResponse for Written<T> {
    fn meta() -> MetaResponses {
        let media = MetaMediaType { content_type: Json::<T>::CONTENT_TYPE, schema: T::schema_ref() };
        super::response::meta(poem::http::StatusCode::OK, "", vec![media])
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

impl<T: Type + Serialize> IntoResponse for Written<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(body) => Response::builder().content_type(Json::<T>::CONTENT_TYPE).body(body),
            Err(error) => InternalServerError(error).into_response(),
        }
    }
}

/// Field of a JSON object.
pub trait Field {
    /// Writes the field; nothing if it is absent.
    fn write<M: SerializeMap>(&self, name: &'static str, object: &mut M) -> Result<(), M::Error>;
}

/// Lists the types whose `Serialize` writes the same as their `ToJSON`.
#[macro_export]
macro_rules! serialized_fields {
    ($($type:ty),* $(,)?) => {
        $(impl $crate::http::written::Field for $type {
            fn write<M: serde::ser::SerializeMap>(&self, name: &'static str, object: &mut M) -> Result<(), M::Error> {
                object.serialize_entry(name, self)
            }
        })*
    };
}

serialized_fields!(i32, i64, u32, bool, String, Uuid);

/// Lists the types that are written by their `ToJSON`, e.g. enumerations.
#[macro_export]
macro_rules! json_fields {
    ($($type:ty),* $(,)?) => {
        $(impl $crate::http::written::Field for $type {
            fn write<M: serde::ser::SerializeMap>(&self, name: &'static str, object: &mut M) -> Result<(), M::Error> {
                match poem_openapi::types::ToJSON::to_json(self) {
                    Some(value) => object.serialize_entry(name, &value),
                    None => Ok(()),
                }
            }
        })*
    };
}

json_fields!(DateTime<Utc>);

impl<T: Field> Field for Option<T> {
    fn write<M: SerializeMap>(&self, name: &'static str, object: &mut M) -> Result<(), M::Error> {
        self.as_ref().map_or(Ok(()), |value| value.write(name, object))
    }
}

/// Implements `Serialize` for an object of the specification, from the names of all its fields in their order.
#[macro_export]
macro_rules! written {
    ($type:ident { $($field:ident),* $(,)? }) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                // Names every field, so that a new one can't be forgotten.
                let Self { $($field),* } = self;
                let mut object = serializer.serialize_map(None)?;
                $($crate::http::written::Field::write($field, stringify!($field), &mut object)?;)*
                serde::ser::SerializeMap::end(object)
            }
        }
    };
}

written!(PageMeta { page, page_size, total, total_is_exact, total_pages });

impl<T: ParseFromJSON + ToJSON + Example + Serialize + Send + Sync> Serialize for Page<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { data, meta } = self;
        let mut page = serializer.serialize_struct("Page", 2)?;
        page.serialize_field("data", data)?;
        page.serialize_field("meta", meta)?;
        page.end()
    }
}

//! Typed record ids, so that ids of different kinds can't be confused.
//!
//! In JSON an id is a number from 1 to 2^53 − 1, which JavaScript represents exactly.

use poem_openapi::{
    registry::{MetaSchema, MetaSchemaRef},
    types::{ParseError, ParseFromJSON, ParseFromParameter, ParseResult, ToJSON, Type},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use server_shared::http::{document::LARGEST_INTEGER, path::id_number};

/// Entity that events and audit entries can name.
pub(crate) trait Entity {
    /// Stable name of the entity's type, e.g. `appointment`.
    const TYPE: &'static str;

    /// Returns the entity's id as text.
    fn entity_id(&self) -> String;
}

macro_rules! record_id {
    ($(#[$doc:meta])* $name:ident of $entity:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, sqlx::Type)]
        #[serde(transparent)]
        #[sqlx(transparent)]
        pub(crate) struct $name(pub(crate) i64);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        server_shared::serialized_fields!($name);

        impl Type for $name {
            const IS_REQUIRED: bool = true;
            type RawValueType = i64;
            type RawElementValueType = i64;

            fn name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn schema_ref() -> MetaSchemaRef {
                MetaSchemaRef::Inline(Box::new(MetaSchema {
                    minimum: Some(1.0),
                    ..MetaSchema::new_with_format("integer", "int64")
                }))
            }

            fn as_raw_value(&self) -> Option<&i64> {
                Some(&self.0)
            }

            fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a i64> + 'a> {
                Box::new(std::iter::once(&self.0))
            }
        }

        impl ParseFromJSON for $name {
            fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
                in_range(value.as_ref().and_then(Value::as_i64)).map(Self).ok_or_else(out_of_range)
            }
        }

        impl ParseFromParameter for $name {
            fn parse_from_parameter(value: &str) -> ParseResult<Self> {
                id_number(value).map(Self).ok_or_else(out_of_range)
            }
        }

        impl Entity for $name {
            const TYPE: &'static str = $entity;

            fn entity_id(&self) -> String {
                self.to_string()
            }
        }

        impl ToJSON for $name {
            fn to_json(&self) -> Option<Value> {
                Some(self.0.into())
            }
        }
    };
}

fn in_range(id: Option<i64>) -> Option<i64> {
    id.filter(|id| (1..=LARGEST_INTEGER).contains(id))
}

fn out_of_range<T: Type>() -> ParseError<T> {
    ParseError::custom("must be a number from 1 to 9007199254740991")
}

record_id!(
    /// Id of a clinic.
    OrganizationId of "organization"
);
record_id!(
    /// Id of a person who can sign in.
    UserId of "user"
);
record_id!(
    /// Id of an organization's invitation to a person.
    InvitationId of "invitation"
);
record_id!(
    /// Id of a medical specialty of a clinic.
    SpecialtyId of "specialty"
);
record_id!(
    /// Id of a person who treats patients.
    SpecialistId of "specialist"
);
record_id!(
    /// Id of a person who receives treatment.
    PatientId of "patient"
);
record_id!(
    /// Id of a kind of appointment that a clinic offers.
    AppointmentTemplateId of "appointment_template"
);
record_id!(
    /// Id of a template of forms that a clinic asks patients to fill in.
    FormTemplateId of "form_template"
);
record_id!(
    /// Id of a form about a patient.
    FormId of "form"
);
record_id!(
    /// Id of an appointment.
    AppointmentId of "appointment"
);
record_id!(
    /// Id of a series of appointments.
    AppointmentSeriesId of "appointment_series"
);
record_id!(
    /// Id of a move of an appointment to another time.
    RescheduleId of "reschedule"
);
record_id!(
    /// Id of an entry of the waitlist.
    WaitlistEntryId of "waitlist_entry"
);
record_id!(
    /// Id of a segment of patients.
    SegmentId of "segment"
);
record_id!(
    /// Id of an API key of an organization.
    ApiKeyId of "api_key"
);
record_id!(
    /// Id of a link by which a calendar program reads a member's appointments.
    CalendarFeedId of "calendar_feed"
);
record_id!(
    /// Id of a period in which an administrator acts as a patient.
    ImpersonationId of "impersonation"
);
record_id!(
    /// Id of a field that a clinic adds to profiles.
    CustomFieldId of "custom_field"
);

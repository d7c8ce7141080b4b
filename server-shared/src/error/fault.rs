//! Typed errors of domains, and the one conversion of them into answers.

use std::{borrow::Cow, error::Error as StdError, time::Duration};

use poem::http::StatusCode;
use serde_json::Value;

use super::ApiError;

/// States the errors of a domain as a table: an enum with `Display`, `source` and [`Fault`], and so its answers.
///
/// Each line is a variant, its [`FaultKind`], its code and its message, which says what to do. Named fields hold the
/// data that `with` makes details of: a JSON value, or an `Option` of one. A field in brackets is the cause, with the
/// mark of [`thiserror`](https://docs.rs/thiserror): `#[source]`, or `#[from]` for automatic conversion. Errors of
/// other types that a domain passes on are listed under `and those of`.
///
/// ```
/// # use server_shared::{error::Fault, errors};
/// # use serde_json::json;
/// errors! {
///     /// Errors of bookings.
///     #[derive(Clone)]
///     pub enum BookingError {
///         NotFound => NotFound "booking_not_found" "There is no such booking.",
///         Stale { version: i64 } => Conflict "stale_version" "Somebody else changed it; get it again."
///             with json!({ "version": version }),
///     }
/// }
/// assert_eq!(BookingError::Stale { version: 3 }.details(), Some(json!({ "version": 3 })));
/// ```
#[macro_export]
macro_rules! errors {
    (
        $(#[$meta:meta])*
        $vis:vis enum $name:ident {
            $(
                $(#[$variant_meta:meta])*
                $variant:ident
                $({ $($(#[$field_meta:meta])* $field:ident: $type:ty),+ $(,)? })?
                $(( $(#[$mark:ident])? $cause:ty ))?
                => $kind:ident $code:literal $message:literal $(with $details:expr)?
            ),* $(,)?
        }
        $(and those of {
            $($(#[$passed_meta:meta])* $passed:ident( $(#[$from:ident])? $inner:ty )),+ $(,)?
        })?
    ) => {
        $(#[$meta])*
        #[derive(Debug, ::thiserror::Error)]
        $vis enum $name {
            $(
                $(#[$variant_meta])*
                #[error($message)]
                $variant $({ $($(#[$field_meta])* $field: $type),+ })? $(( $(#[$mark])? $cause ))?,
            )*
            $($(
                $(#[$passed_meta])*
                #[error(transparent)]
                $passed( $(#[$from])? $inner ),
            )+)?
        }

        impl $crate::error::Fault for $name {
            fn kind(&self) -> $crate::error::FaultKind {
                match self {
                    $(Self::$variant { .. } => $crate::error::FaultKind::$kind,)*
                    $($(Self::$passed(error) => $crate::error::Fault::kind(error),)+)?
                }
            }

            fn code(&self) -> ::std::borrow::Cow<'static, str> {
                match self {
                    $(Self::$variant { .. } => ::std::borrow::Cow::Borrowed($code),)*
                    $($(Self::$passed(error) => $crate::error::Fault::code(error),)+)?
                }
            }

            fn message(&self) -> ::std::string::String {
                match self {
                    $($(Self::$passed(error) => $crate::error::Fault::message(error),)+)?
                    #[allow(unreachable_patterns, reason = "all errors of a domain may be passed on")]
                    own => ::std::string::ToString::to_string(own),
                }
            }

            fn details(&self) -> ::std::option::Option<::serde_json::Value> {
                $($crate::errors!(@details self $variant { $($($field),+)? } $($details)?);)*
                match self {
                    $($(Self::$passed(error) => $crate::error::Fault::details(error),)+)?
                    #[allow(unreachable_patterns, reason = "all errors of a domain may be passed on")]
                    _ => ::std::option::Option::None,
                }
            }

            fn retry_after(&self) -> ::std::option::Option<::std::time::Duration> {
                match self {
                    $($(Self::$passed(error) => $crate::error::Fault::retry_after(error),)+)?
                    #[allow(unreachable_patterns, reason = "all errors of a domain may be passed on")]
                    _ => ::std::option::Option::None,
                }
            }
        }
    };
    (@details $self:ident $variant:ident { $($field:ident),* }) => {};
    (@details $self:ident $variant:ident { $($field:ident),* } $details:expr) => {
        #[allow(irrefutable_let_patterns, reason = "it may be the domain's only error")]
        if let Self::$variant { $($field,)* .. } = $self {
            return ::std::option::Option::<::serde_json::Value>::from($details);
        }
    };
}

/// A domain's typed error. It knows nothing of HTTP, and has the data for the one conversion to [`ApiError`].
///
/// The `Display` text of the error is the public message, unless [`Fault::message`] gives another; its `source` is the
/// cause that is logged. [`errors!`](crate::errors) states such errors as a table.
pub trait Fault: StdError + Send + Sync + Sized + 'static {
    /// Returns the kind of the fault.
    fn kind(&self) -> FaultKind;

    /// Returns the stable code.
    fn code(&self) -> Cow<'static, str>;

    /// Returns the sentence for a person.
    fn message(&self) -> String {
        self.to_string()
    }

    /// Returns facts for a program.
    fn details(&self) -> Option<Value> {
        None
    }

    /// Returns the time for which a dependency that is down asks not to be called, if it said so.
    fn retry_after(&self) -> Option<Duration> {
        None
    }
}

/// Meaning of a domain error to its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// The request is malformed (400).
    Malformed,
    /// The request has no valid credentials (401).
    Unauthenticated,
    /// The caller may not do this (403).
    Forbidden,
    /// The resource does not exist, or the caller may not see it (404).
    NotFound,
    /// Conflicts with the present state (409).
    Conflict,
    /// A value of the body is wrong (422).
    Invalid,
    /// A dependency sent an invalid answer (502).
    Upstream,
    /// A dependency is down (503).
    Unavailable,
    /// A bug (500).
    Internal,
}

impl<F: Fault> From<F> for ApiError {
    fn from(fault: F) -> Self {
        let status = match fault.kind() {
            FaultKind::Malformed => StatusCode::BAD_REQUEST,
            FaultKind::Unauthenticated => StatusCode::UNAUTHORIZED,
            FaultKind::Forbidden => StatusCode::FORBIDDEN,
            FaultKind::NotFound => StatusCode::NOT_FOUND,
            FaultKind::Conflict => StatusCode::CONFLICT,
            FaultKind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
            FaultKind::Upstream => StatusCode::BAD_GATEWAY,
            FaultKind::Unavailable => {
                let after = fault.retry_after();
                let error = Self::unavailable(fault.code(), fault.message(), fault);
                return after.into_iter().fold(error, Self::with_retry_after);
            }
            FaultKind::Internal => return Self::internal(fault),
        };
        let mut error = Self::new(status, fault.code(), fault.message());
        error.0.details = fault.details();
        error.0.cause = Some(Box::new(fault));
        error
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    errors! {
        /// Errors of the store below.
        enum StoreError {
            Down(#[source] std::io::Error) => Unavailable "store_unavailable" "Try again.",
        }
    }

    errors! {
        enum DomainError {
            NotFound => NotFound "thing_not_found" "There is no such thing.",
            Taken { by: Option<i64> } => Conflict "thing_taken" "Another one has this name."
                with by.map(|by| json!({ "by": by })),
            Range => Malformed "invalid_range" "The range is too long." with json!({ "days": 92 }),
            Damaged(#[from] std::fmt::Error) => Internal "internal_error" "it does not open",
        }
        and those of {
            Store(#[from] StoreError),
        }
    }

    fn answer(error: impl Into<DomainError>) -> (u16, String, Value, Option<String>) {
        let error: DomainError = error.into();
        let error = ApiError::from(error);
        let parts = &error.0;
        let details = parts.details.clone().unwrap_or_default();
        (error.status().as_u16(), format!("{}: {}", parts.code, parts.message), details, error.cause_chain())
    }

    #[test]
    fn a_line_of_the_table_is_an_answer() {
        let (status, text, details, _) = answer(DomainError::NotFound);
        assert_eq!((status, &*text, details), (404, "thing_not_found: There is no such thing.", Value::Null));
        let (status, text, details, _) = answer(DomainError::Taken { by: Some(7) });
        assert_eq!((status, &*text, details), (409, "thing_taken: Another one has this name.", json!({ "by": 7 })));
        assert_eq!(answer(DomainError::Taken { by: None }).2, Value::Null);
        assert_eq!(answer(DomainError::Range).2, json!({ "days": 92 }));
    }

    #[test]
    fn what_is_passed_on_answers_as_its_own_type_says() {
        let down = || StoreError::Down(std::io::Error::other("refused"));
        let (status, text, details, cause) = answer(down());
        assert_eq!((status, &*text, details), (503, "store_unavailable: Try again.", Value::Null));
        assert_eq!(cause.as_deref(), Some("Try again.: refused"));
        assert_eq!(ApiError::from(down()).code(), "store_unavailable");
    }

    #[test]
    fn a_cause_of_a_bug_is_kept_for_the_log() {
        let (status, text, _, cause) = answer(std::fmt::Error);
        assert!(status == 500 && !text.contains("open"), "the message of a bug is not shown: {text}");
        assert!(cause.is_some_and(|cause| cause.starts_with("it does not open: ")));
    }
}

//! Messages for the faults of a body.

use jsonschema::{
    ValidationError,
    error::{TypeKind, ValidationErrorKind as Kind},
};

use crate::{
    error::{FAULTS_LISTED, FieldFault},
    value::FORMATS,
};

/// Faults of a request body.
#[derive(Debug, Default)]
pub struct Faults {
    listed: Vec<FieldFault>,
    count: usize,
    unknown_field: bool,
    repeated_key: bool,
}

impl Faults {
    /// Returns the first of them, up to [`FAULTS_LISTED`].
    pub fn listed(&self) -> &[FieldFault] {
        &self.listed
    }

    /// Returns the number of all faults, listed or not.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Returns true if any fault is a field that the schema does not know.
    pub fn unknown_field(&self) -> bool {
        self.unknown_field
    }

    /// Returns true if any fault is a key that an object has more than once.
    pub fn repeated_key(&self) -> bool {
        self.repeated_key
    }

    pub(in crate::http) fn add(&mut self, fault: impl FnOnce() -> FieldFault) {
        self.count += 1;
        if self.listed.len() < FAULTS_LISTED {
            self.listed.push(fault());
        }
    }

    /// Adds the fault of a key that its object has already.
    pub(in crate::http) fn add_repeated(&mut self, fault: impl FnOnce() -> FieldFault) {
        self.repeated_key = true;
        self.add(fault);
    }

    /// Adds the faults that were found while the body was read.
    pub(in crate::http) fn merge(&mut self, read: Self) {
        self.unknown_field |= read.unknown_field;
        self.repeated_key |= read.repeated_key;
        self.count += read.count - read.listed.len();
        for fault in read.listed {
            // The pattern of a text in the specification excludes U+0000 too.
            let known = |listed: &FieldFault| listed.pointer == fault.pointer && listed.rule == "pattern";
            if fault.rule != CHARACTERS || !self.listed.iter().any(known) {
                self.add(|| fault);
            }
        }
    }
}

/// Name of the rule for keys and texts with characters that can't be stored.
pub(in crate::http) const CHARACTERS: &str = "characters";

pub(super) const NO_FORM: &str = "is none of the forms that the specification allows";

/// Adds the faults of `error`, whose value is below `within`. The messages are our own, because the library's repeat
/// the value, which may be personal.
pub(super) fn describe(error: &ValidationError<'_>, within: &str, faults: &mut Faults) {
    let pointer = || format!("{within}{}", error.instance_path().as_str());
    let below = |name: &str| format!("{}/{}", pointer(), escape(name));
    match error.kind() {
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
            faults.unknown_field = true;
            for name in unexpected {
                faults.add(|| FieldFault::new(below(name), "unknown", "is no field of this operation"));
            }
        }
        Kind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            faults.add(|| FieldFault::new(below(name), "required", "is required"));
        }
        // A value that may also be null, or one of several forms: the fault lies in the form that
        // has the value's type.
        Kind::AnyOf { context } | Kind::OneOfNotValid { context } => {
            let mut meant = context.iter().filter(|branch| {
                !branch.iter().any(|inner| {
                    matches!(inner.kind(), Kind::Type { .. }) && inner.instance_path() == error.instance_path()
                })
            });
            if let (Some(branch), None) = (meant.next(), meant.next()) {
                for inner in branch {
                    describe(inner, within, faults);
                }
            } else {
                faults.add(|| FieldFault::new(pointer(), "invalid", NO_FORM));
            }
        }
        kind => faults.add(|| {
            let (rule, message) = rule(kind);
            FieldFault::new(pointer(), rule, message)
        }),
    }
}

/// Returns the rule that a value breaks, and the description of a valid value.
fn rule(kind: &Kind) -> (&'static str, String) {
    match kind {
        Kind::Type { kind } => ("type", format!("must be {}", type_names(kind))),
        Kind::Enum { options } => ("enum", format!("must be one of {options}")),
        Kind::Format { format } => {
            let known = FORMATS.iter().find(|known| known.name == format);
            let message = known.map_or_else(|| format!("must have the format {format}"), |known| known.rule.to_owned());
            ("format", message)
        }
        Kind::Pattern { pattern } => ("pattern", format!("must match {pattern}")),
        Kind::MinLength { limit } => ("min_length", format!("must have at least {limit} characters")),
        Kind::MaxLength { limit } => ("max_length", format!("must have at most {limit} characters")),
        Kind::Minimum { limit } => ("minimum", format!("must be at least {limit}")),
        Kind::Maximum { limit } => ("maximum", format!("must be at most {limit}")),
        Kind::ExclusiveMinimum { limit } => ("minimum", format!("must be greater than {limit}")),
        Kind::ExclusiveMaximum { limit } => ("maximum", format!("must be less than {limit}")),
        Kind::MinItems { limit } => ("min_items", format!("must have at least {limit} items")),
        Kind::MaxItems { limit } => ("max_items", format!("must have at most {limit} items")),
        Kind::MaxProperties { limit } => ("max_properties", format!("must have at most {limit} entries")),
        Kind::MinProperties { limit } => ("min_properties", format!("must have at least {limit} entries")),
        Kind::MultipleOf { multiple_of } => ("multiple_of", format!("must be a multiple of {multiple_of}")),
        Kind::UniqueItems => ("unique_items", "must not repeat an item".to_owned()),
        _ => ("invalid", NO_FORM.to_owned()),
    }
}

fn type_names(kind: &TypeKind) -> String {
    match kind {
        TypeKind::Single(kind) => format!("of type {kind}"),
        TypeKind::Multiple(kinds) => {
            let names: Vec<String> = kinds.iter().map(|kind| kind.to_string()).collect();
            format!("of type {}", names.join(" or "))
        }
    }
}

/// Escapes a key as a part of a JSON pointer (RFC 6901).
pub fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

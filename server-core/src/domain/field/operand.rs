//! Operands: constants that conditions of forms and rules of segments compare values of fields with.

use chrono::NaiveTime;
use rust_decimal::Decimal;
use serde_json::Value;
use server_shared::{
    http::document::LARGEST_INTEGER,
    value::{DecimalNumber, folded},
};

use super::{FieldDefinition, value::time};

/// Maximum number of characters of a text.
const LONGEST: usize = 500;

/// Broken rule of an operand, and its message.
pub(crate) type OperandFault = (&'static str, &'static str);

/// Returns a text; `message` is for values that are none.
pub(crate) fn string_operand<'a>(value: &'a Value, message: &'static str) -> Result<&'a str, OperandFault> {
    value.as_str().ok_or(("type", message))
}

/// Returns a text that has something to compare once it is folded.
pub(crate) fn text_operand(value: &Value) -> Result<&str, OperandFault> {
    let text = string_operand(value, "must be a text")?;
    if folded(text).is_empty() || text.chars().count() > LONGEST || text.contains('\0') {
        return Err(("length", "must have 1 to 500 characters, and not only blanks and accents"));
    }
    Ok(text)
}

/// Returns a number, read without a float: what it is part of is stored and hashed, and a float has several forms.
pub(crate) fn number_operand(value: &Value) -> Result<Decimal, OperandFault> {
    let number = match value {
        Value::String(text) => DecimalNumber::parse(text).map(DecimalNumber::get),
        Value::Number(number) => {
            let whole = number.as_i64().filter(|whole| (-LARGEST_INTEGER..=LARGEST_INTEGER).contains(whole));
            whole.map(Decimal::from)
        }
        _ => None,
    };
    number.ok_or(("type", "must be a whole number, or a decimal number as text, e.g. \"1.5\""))
}

/// Returns a truth value.
pub(crate) fn boolean_operand(value: &Value) -> Result<bool, OperandFault> {
    value.as_bool().ok_or(("type", "must be true or false"))
}

/// Returns a time of day.
pub(crate) fn time_operand(value: &Value) -> Result<NaiveTime, OperandFault> {
    let message = "must be a time of day, as HH:MM or HH:MM:SS";
    time(string_operand(value, message)?).ok_or(("format", message))
}

/// Returns the key of an option of a field.
pub(crate) fn option_operand(definition: &FieldDefinition, value: &Value) -> Result<String, OperandFault> {
    let message = "must be the key of an option of the field";
    let option = definition.option(string_operand(value, message)?).ok_or(("option", message))?;
    Ok(option.key.as_str().to_owned())
}

//! Typed fields: definitions of values, and values that are checked against them. Custom fields and forms consist of
//! them; nothing here knows a table or an operation.

mod definition;
mod kind;
mod operand;
mod option;
mod rules;
#[cfg(test)]
mod tests;
mod translation;
mod value;

pub(crate) use definition::FieldDefinition;
pub(crate) use kind::FieldType;
pub(crate) use operand::{
    OperandFault, boolean_operand, number_operand, option_operand, string_operand, text_operand, time_operand,
};
pub(crate) use option::FieldOption;
pub(crate) use rules::FieldValidation;
pub(crate) use translation::FieldTranslation;
pub(crate) use value::{FieldValue, YEARS, calendar_day};

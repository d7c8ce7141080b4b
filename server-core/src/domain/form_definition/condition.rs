use poem_openapi::{Enum, Object};
use serde_json::Value;
use server_shared::value::Key;

/// Maximum depth of a condition: the number of conditions from the outermost to the innermost.
pub(super) const DEEPEST: usize = 8;
/// Maximum number of conditions in a condition, itself counted.
pub(super) const MOST_NODES: usize = 200;

/// Condition on answers and scores, with at most 200 conditions in it, itself counted, on at most 8 levels.
///
/// `op` decides which other fields must be present; others must not be. `field` is the key of a field, of a score, or
/// of a group, which stands for the number of its entries. A condition in a group sees the fields of its own entry and
/// everything outside of groups; a condition outside of a group sees no field in it.
///
/// An answer is missing if there is none or if its field is hidden; `false`, 0 and, if the field allows it, an empty
/// selection are answers. Every comparison with a missing answer is false, `not_equals` too; `is_empty` is true. A
/// hidden group has 0 entries. Texts are compared without regard to letter case and accents.
#[derive(Debug, Clone, Object)]
#[oai(skip_serializing_if_is_none)]
pub(crate) struct FormCondition {
    /// Operator.
    pub(crate) op: ConditionOp,
    /// Conditions that `and` and `or` combine (1 to 50), or the one that `not` reverses; none for other operators.
    #[oai(default, validator(max_items = 50))]
    pub(crate) conditions: Vec<FormCondition>,
    /// Key of the field, score or group that is compared; absent for `and`, `or` and `not`.
    pub(crate) field: Option<Key>,
    /// Value that the answer is compared with, of the type of the field: a text, `true` or `false`, a whole number, or
    /// the key of an option. A number with a fraction is written as text, e.g. `"1.5"`, as whole numbers may be. Absent
    /// for `in`, `is_empty`, `and`, `or` and `not`.
    pub(crate) value: Option<Value>,
    /// Values of `in`, 1 to 100 different ones in the form of `value`; none for other operators.
    #[oai(default, validator(max_items = 100))]
    pub(crate) values: Vec<Value>,
}

/// Operator of a condition.
///
/// - `and`: all `conditions` are true
/// - `or`: at least one of `conditions` is true
/// - `not`: the one condition in `conditions` is false
/// - `equals`: the answer is `value`
/// - `not_equals`: there is an answer, and it is another than `value`
/// - `less`: the answer is less than `value`, or earlier
/// - `less_or_equal`: the answer is `value`, less or earlier
/// - `greater`: the answer is greater than `value`, or later
/// - `greater_or_equal`: the answer is `value`, greater or later
/// - `in`: the answer is one of `values`
/// - `is_empty`: there is no answer; for a group, it has no entries
/// - `contains`: the text contains `value`; for a field of the type `multiple_choice`, the option `value` is chosen
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum ConditionOp {
    /// All are true.
    And,
    /// One is true.
    Or,
    /// It is false.
    Not,
    /// The answer is the value.
    Equals,
    /// The answer is another value.
    NotEquals,
    /// The answer is less.
    Less,
    /// The answer is less or equal.
    LessOrEqual,
    /// The answer is greater.
    Greater,
    /// The answer is greater or equal.
    GreaterOrEqual,
    /// The answer is one of the values.
    In,
    /// There is no answer.
    IsEmpty,
    /// The answer contains the value.
    Contains,
}

impl FormCondition {
    /// Returns a condition with an operator and nothing else.
    pub(super) fn of(op: ConditionOp) -> Self {
        Self { op, conditions: Vec::new(), field: None, value: None, values: Vec::new() }
    }
}

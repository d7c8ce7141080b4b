//! Conditions checked and compiled.

use super::{
    expression::{Expression, ExpressionId, Expressions, Slot, Test},
    operand::Kind,
    outline::{GroupOutline, Outline, Target},
};
use crate::domain::{
    form_definition::condition::{ConditionOp, DEEPEST, FormCondition, MOST_NODES},
    rules::FieldFaults,
};

/// Names that a condition sees.
#[derive(Clone, Copy)]
pub(super) struct Scope<'o, 'a> {
    /// Items outside of groups.
    pub(super) outline: &'o Outline<'a>,
    /// Group of the condition, whose fields come first.
    pub(super) group: Option<&'o GroupOutline<'a>>,
}

/// Places of the values that conditions read.
#[derive(Debug, Default)]
pub(super) struct Reads {
    /// Items outside of groups.
    pub(super) outer: Vec<usize>,
    /// Fields of the same group.
    pub(super) inner: Vec<usize>,
}

/// Compiler of one condition and those in it.
pub(super) struct Conditions<'c, 'o, 'a> {
    scope: Scope<'o, 'a>,
    expressions: &'c mut Expressions,
    reads: &'c mut Reads,
    faults: &'c mut FieldFaults,
    nodes: usize,
}

impl<'c, 'o, 'a> Conditions<'c, 'o, 'a> {
    pub(super) fn new(
        scope: Scope<'o, 'a>,
        expressions: &'c mut Expressions,
        reads: &'c mut Reads,
        faults: &'c mut FieldFaults,
    ) -> Self {
        Self { scope, expressions, reads, faults, nodes: 0 }
    }

    /// Compiles a condition; `None` if it has a fault.
    pub(super) fn compile(mut self, condition: &FormCondition, at: &str) -> Option<ExpressionId> {
        let compiled = self.node(condition, at, 1);
        if self.nodes > MOST_NODES {
            self.faults.add(at, "max_items", format!("must have at most {MOST_NODES} conditions in it"));
            return None;
        }
        compiled
    }

    fn node(&mut self, condition: &FormCondition, at: &str, depth: usize) -> Option<ExpressionId> {
        self.nodes += 1;
        if self.nodes > MOST_NODES {
            return None;
        }
        if depth > DEEPEST {
            self.faults.add(at, "max_depth", format!("must not be below more than {} other conditions", DEEPEST - 1));
            return None;
        }
        let expression = match condition.op {
            ConditionOp::And => Expression::And(self.parts(condition, at, depth)?),
            ConditionOp::Or => Expression::Or(self.parts(condition, at, depth)?),
            ConditionOp::Not => {
                let parts = self.parts(condition, at, depth)?;
                let [part] = parts.as_slice() else {
                    self.faults.add(format!("{at}/conditions"), "max_items", "must have 1 item");
                    return None;
                };
                Expression::Not(*part)
            }
            _ => self.test(condition, at)?,
        };
        Some(self.expressions.push(expression))
    }

    /// Compiles the conditions that another one combines.
    fn parts(&mut self, condition: &FormCondition, at: &str, depth: usize) -> Option<Vec<ExpressionId>> {
        let mut is_whole = self.has_no_operands(condition, at, true);
        if condition.conditions.is_empty() {
            self.faults.add(format!("{at}/conditions"), "min_items", "must have at least 1 item");
            return None;
        }
        let mut parts = Vec::with_capacity(condition.conditions.len());
        for (index, part) in condition.conditions.iter().enumerate() {
            match self.node(part, &format!("{at}/conditions/{index}"), depth + 1) {
                Some(part) => parts.push(part),
                None => is_whole = false,
            }
        }
        is_whole.then_some(parts)
    }

    /// Refuses the operands that an operator doesn't have: `value` and `values`, and `field` if `and_field`.
    fn has_no_operands(&mut self, condition: &FormCondition, at: &str, and_field: bool) -> bool {
        let given = [
            ("field", and_field && condition.field.is_some()),
            ("value", condition.value.is_some()),
            ("values", !condition.values.is_empty()),
        ];
        self.refuse(at, &given)
    }

    /// Adds a fault for each name that is given; returns `true` if none is.
    fn refuse(&mut self, at: &str, given: &[(&str, bool)]) -> bool {
        for (name, _) in given.iter().filter(|(_, is_given)| *is_given) {
            self.faults.add(format!("{at}/{name}"), "not_applicable", "does not apply to this operator");
        }
        given.iter().all(|(_, is_given)| !is_given)
    }

    fn test(&mut self, condition: &FormCondition, at: &str) -> Option<Expression> {
        let is_plain = self.refuse(at, &[("conditions", !condition.conditions.is_empty())]);
        let subject = self.subject(condition, at);
        let test = match condition.op {
            ConditionOp::IsEmpty => self.has_no_operands(condition, at, false).then_some(Test::IsEmpty),
            ConditionOp::In => self.one_of(condition, at, subject.map(|(_, kind)| kind)),
            _ => self.comparison(condition, at, subject.map(|(_, kind)| kind)),
        };
        let (slot, _) = subject?;
        test.filter(|_| is_plain).map(|test| Expression::Test(slot, test))
    }

    /// Finds the value that is tested, and its kind.
    fn subject(&mut self, condition: &FormCondition, at: &str) -> Option<(Slot, Kind<'a>)> {
        let Some(key) = &condition.field else {
            self.faults.add(format!("{at}/field"), "required", "is required by this operator");
            return None;
        };
        let (slot, kind) = if let Some(place) = self.scope.group.and_then(|group| group.place(key)) {
            self.reads.inner.push(place);
            let definition = self.scope.group.and_then(|group| group.fields[place]);
            (Slot::Inner(place), Kind::of(definition?))
        } else if let Some(place) = self.scope.outline.place(key) {
            self.reads.outer.push(place);
            let kind = match &self.scope.outline.items[place].target {
                Target::Field(definition) => Kind::of((*definition)?),
                Target::Group(_) | Target::Score => Kind::Number,
                Target::Text => {
                    self.faults.add(format!("{at}/field"), "reference", "names a text, which has no answer");
                    return None;
                }
                Target::Unclear => return None,
            };
            (Slot::Outer(place), kind)
        } else {
            let message = "must be the key of a field, score or group; only conditions in a group see its fields";
            self.faults.add(format!("{at}/field"), "unknown_reference", message);
            return None;
        };
        if let Some(types) = kind.refuses(condition.op) {
            self.faults.add(format!("{at}/op"), "not_applicable", format!("applies to {types}"));
            return None;
        }
        Some((slot, kind))
    }

    /// Compiles a comparison with one value. Without a kind, only its presence is checked.
    fn comparison(&mut self, condition: &FormCondition, at: &str, kind: Option<Kind<'a>>) -> Option<Test> {
        let is_plain = self.refuse(at, &[("values", !condition.values.is_empty())]);
        let Some(value) = &condition.value else {
            self.faults.add(format!("{at}/value"), "required", "is required by this operator");
            return None;
        };
        let operand = match kind?.operand(value) {
            Ok(operand) => operand,
            Err((rule, message)) => {
                self.faults.add(format!("{at}/value"), rule, message);
                return None;
            }
        };
        let test = match condition.op {
            ConditionOp::Equals => Test::Equals,
            ConditionOp::NotEquals => Test::NotEquals,
            ConditionOp::Less => Test::Less,
            ConditionOp::LessOrEqual => Test::LessOrEqual,
            ConditionOp::Greater => Test::Greater,
            ConditionOp::GreaterOrEqual => Test::GreaterOrEqual,
            ConditionOp::Contains => Test::Contains,
            ConditionOp::In | ConditionOp::IsEmpty | ConditionOp::And | ConditionOp::Or | ConditionOp::Not => {
                return None;
            }
        };
        is_plain.then(|| test(operand))
    }

    fn one_of(&mut self, condition: &FormCondition, at: &str, kind: Option<Kind<'a>>) -> Option<Test> {
        let mut is_plain = self.refuse(at, &[("value", condition.value.is_some())]);
        if condition.values.is_empty() {
            self.faults.add(format!("{at}/values"), "min_items", "must have at least 1 item");
            return None;
        }
        let kind = kind?;
        let mut operands = Vec::with_capacity(condition.values.len());
        for (index, value) in condition.values.iter().enumerate() {
            let fault = match kind.operand(value) {
                Ok(operand) if operands.contains(&operand) => ("repeated", "repeats another value"),
                Ok(operand) => {
                    operands.push(operand);
                    continue;
                }
                Err(fault) => fault,
            };
            self.faults.add(format!("{at}/values/{index}"), fault.0, fault.1);
            is_plain = false;
        }
        is_plain.then_some(Test::In(operands))
    }
}

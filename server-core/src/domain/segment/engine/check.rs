//! Check of rules: every name is resolved, and every operand gets the type of its subject.

use super::{
    kind::Kind,
    known::Known,
    leaf::{Leaf, Subject},
    rule::{DEEPEST, MOST_NODES, SegmentMissing, SegmentOp, SegmentRule},
    test::Test,
    tree::{Compiled, Node, Part},
};
use crate::domain::rules::FieldFaults;

/// Subject of a rule, and the way in which its values are compared.
pub(super) struct Found<'k> {
    pub(super) subject: Subject,
    pub(super) kind: Kind<'k>,
    /// `true` if a patient may have no value.
    pub(super) may_miss: bool,
}

/// Check of one rule and those in it.
pub(super) struct Checker<'k> {
    pub(super) known: &'k Known,
    pub(super) faults: FieldFaults,
    leaves: Vec<Leaf>,
    nodes: usize,
}

impl<'k> Checker<'k> {
    pub(super) fn new(known: &'k Known) -> Self {
        Self { known, leaves: Vec::new(), faults: FieldFaults::default(), nodes: 0 }
    }

    /// Checks a rule; returns all its faults, with pointers below `at`.
    pub(super) fn check(mut self, rule: &'k SegmentRule, at: &str) -> Result<Compiled, FieldFaults> {
        let root = self.node(rule, at, 1);
        if self.nodes > MOST_NODES {
            self.faults.add(at, "max_items", format!("must have at most {MOST_NODES} rules in it"));
        }
        match root {
            Some(root) if self.faults.list().is_empty() => Ok(Compiled { root, leaves: self.leaves }),
            _ => Err(self.faults),
        }
    }

    fn node(&mut self, rule: &'k SegmentRule, at: &str, depth: usize) -> Option<Node> {
        self.nodes += 1;
        if self.nodes > MOST_NODES {
            return None;
        }
        if depth > DEEPEST {
            self.faults.add(at, "max_depth", format!("must not be below more than {} other rules", DEEPEST - 1));
            return None;
        }
        let part = match rule.op {
            SegmentOp::And => Part::And(self.parts(rule, at, depth)?),
            SegmentOp::Or => Part::Or(self.parts(rule, at, depth)?),
            SegmentOp::Not => {
                let mut parts = self.parts(rule, at, depth)?;
                let part = parts.pop()?;
                if !parts.is_empty() {
                    self.faults.add(format!("{at}/rules"), "max_items", "must have 1 item");
                    return None;
                }
                Part::Not(Box::new(part))
            }
            _ => {
                let leaf = self.leaf(rule, at)?;
                self.leaves.push(leaf);
                Part::Leaf(self.leaves.len() - 1)
            }
        };
        Some(Node { at: at.to_owned(), part })
    }

    /// Checks the rules that another one combines.
    fn parts(&mut self, rule: &'k SegmentRule, at: &str, depth: usize) -> Option<Vec<Node>> {
        self.refuse(at, &subjects(rule));
        self.refuse(at, &operands(rule));
        self.refuse(at, &[("missing", rule.missing.is_some())]);
        if rule.rules.is_empty() {
            self.faults.add(format!("{at}/rules"), "min_items", "must have at least 1 item");
            return None;
        }
        let parts = rule.rules.iter().enumerate();
        let parts: Vec<Option<Node>> =
            parts.map(|(index, part)| self.node(part, &format!("{at}/rules/{index}"), depth + 1)).collect();
        parts.into_iter().collect()
    }

    /// Adds a fault for each name that is given.
    fn refuse(&mut self, at: &str, given: &[(&str, bool)]) {
        for (name, _) in given.iter().filter(|(_, is_given)| *is_given) {
            self.faults.add(format!("{at}/{name}"), "not_applicable", "does not apply to this operator");
        }
    }

    fn leaf(&mut self, rule: &'k SegmentRule, at: &str) -> Option<Leaf> {
        self.refuse(at, &[("rules", !rule.rules.is_empty())]);
        let found = self.subject(rule, at);
        let kind = found.as_ref().map(|found| found.kind);
        if let Some(subjects) = kind.filter(|_| rule.op != SegmentOp::IsMember).and_then(|kind| kind.refuses(rule.op)) {
            self.faults.add(format!("{at}/op"), "not_applicable", format!("applies to {subjects}"));
            return None;
        }
        let tests_presence = matches!(rule.op, SegmentOp::IsMissing | SegmentOp::IsPresent);
        if tests_presence && found.as_ref().is_some_and(|found| !found.may_miss) {
            self.faults.add(format!("{at}/op"), "not_applicable", "applies to values that may be missing");
            return None;
        }
        let test = match rule.op {
            SegmentOp::IsMissing | SegmentOp::IsPresent | SegmentOp::IsMember => {
                self.refuse(at, &operands(rule));
                Some(Test::Present)
            }
            SegmentOp::In => self.one_of(rule, at, kind),
            _ => self.comparison(rule, at, kind),
        };
        let compares = !tests_presence && rule.op != SegmentOp::IsMember;
        if rule.missing.is_some() && !(compares && found.as_ref().is_none_or(|found| found.may_miss)) {
            let message = "applies to comparisons with a value that may be missing";
            self.faults.add(format!("{at}/missing"), "not_applicable", message);
        }
        let (found, test) = (found?, test?);
        let absent = match (rule.op, &found.subject) {
            (SegmentOp::IsMissing | SegmentOp::IsPresent | SegmentOp::IsMember, _) => Some(false),
            (_, Subject::Count { .. }) => Some(test.holds_for(0)),
            _ if rule.missing == Some(SegmentMissing::Include) => Some(true),
            _ => None,
        };
        Some(Leaf { subject: found.subject, test, absent, reversed: rule.op == SegmentOp::IsMissing })
    }

    /// Checks the one value that a subject is compared with. Without a kind, only its presence is checked.
    fn comparison(&mut self, rule: &'k SegmentRule, at: &str, kind: Option<Kind<'k>>) -> Option<Test> {
        self.refuse(at, &[("values", !rule.values.is_empty())]);
        let Some(value) = &rule.value else {
            self.faults.add(format!("{at}/value"), "required", "is required by this operator");
            return None;
        };
        match kind?.compared(rule.op, value, self.known) {
            Ok(test) => Some(test),
            Err((broken, message)) => {
                self.faults.add(format!("{at}/value"), broken, message);
                None
            }
        }
    }

    fn one_of(&mut self, rule: &'k SegmentRule, at: &str, kind: Option<Kind<'k>>) -> Option<Test> {
        self.refuse(at, &[("value", rule.value.is_some())]);
        if rule.values.is_empty() {
            self.faults.add(format!("{at}/values"), "min_items", "must have at least 1 item");
            return None;
        }
        match kind?.one_of(&rule.values, self.known) {
            Ok(test) => Some(test),
            Err(faults) => {
                for (index, (broken, message)) in faults {
                    self.faults.add(format!("{at}/values/{index}"), broken, message);
                }
                None
            }
        }
    }

    /// Finds the one subject of a rule.
    fn subject(&mut self, rule: &'k SegmentRule, at: &str) -> Option<Found<'k>> {
        let given = subjects(rule);
        let given: Vec<&str> = given.iter().filter(|(_, is_given)| *is_given).map(|(name, _)| *name).collect();
        let [name] = given[..] else {
            let message = if rule.op == SegmentOp::IsMember {
                "must have segment_id and nothing else that it is about"
            } else {
                "must have exactly one of attribute, custom_field, appointments and form"
            };
            self.faults.add(at, "one_of", message);
            return None;
        };
        if (name == "segment_id") != (rule.op == SegmentOp::IsMember) {
            self.faults.add(format!("{at}/{name}"), "not_applicable", "does not apply to this operator");
            return None;
        }
        if let Some(attribute) = &rule.attribute {
            return self.attribute(attribute, &format!("{at}/attribute"));
        }
        if rule.custom_field.is_some() {
            return self.field(rule, &format!("{at}/custom_field"));
        }
        if let Some(appointments) = &rule.appointments {
            return self.appointments(appointments, &format!("{at}/appointments"));
        }
        if let Some(form) = &rule.form {
            return self.answer(form, &format!("{at}/form"));
        }
        self.member(rule, &format!("{at}/segment_id"))
    }
}

/// Returns the subjects that a rule may have, and whether it has them.
fn subjects(rule: &SegmentRule) -> [(&'static str, bool); 5] {
    [
        ("attribute", rule.attribute.is_some()),
        ("custom_field", rule.custom_field.is_some()),
        ("appointments", rule.appointments.is_some()),
        ("form", rule.form.is_some()),
        ("segment_id", rule.segment_id.is_some()),
    ]
}

/// Returns the operands that a rule may have, and whether it has them.
fn operands(rule: &SegmentRule) -> [(&'static str, bool); 2] {
    [("value", rule.value.is_some()), ("values", !rule.values.is_empty())]
}

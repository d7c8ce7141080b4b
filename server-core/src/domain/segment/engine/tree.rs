//! Rules that have no fault, and the statements that decide about patients.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    check::Checker,
    known::Known,
    leaf::{Leaf, Source},
    rule::SegmentRule,
    statement::Statement,
};
use crate::{domain::rules::FieldFaults, ids::PatientId};

/// Rule without faults, as of one moment.
#[derive(Debug)]
pub(in crate::domain::segment) struct Compiled {
    pub(super) root: Node,
    pub(super) leaves: Vec<Leaf>,
}

/// Rule at its place.
#[derive(Debug)]
pub(super) struct Node {
    /// JSON pointer of the rule.
    pub(super) at: String,
    pub(super) part: Part,
}

#[derive(Debug)]
pub(super) enum Part {
    And(Vec<Node>),
    Or(Vec<Node>),
    Not(Box<Node>),
    /// Place of the leaf.
    Leaf(usize),
}

/// Results of the conditions of a rule for one patient; `None` if one is unknown.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::domain::segment) struct Explained {
    /// Result of the whole rule.
    pub(in crate::domain::segment) verdict: Option<bool>,
    /// Pointers of all rules, each before those in it, with their results.
    pub(in crate::domain::segment) results: Vec<(String, Option<bool>)>,
    /// Pointers of the conditions for which the patient is no member.
    pub(in crate::domain::segment) failing: Vec<String>,
}

impl Compiled {
    /// Checks a rule and resolves its names. Returns all its faults, with pointers below `at`.
    pub(in crate::domain::segment) fn check(rule: &SegmentRule, known: &Known, at: &str) -> Result<Self, FieldFaults> {
        Checker::new(known).check(rule, at)
    }

    /// Returns the kinds of rows that the rule reads.
    pub(in crate::domain::segment) fn sources(&self) -> BTreeSet<Source> {
        // Patients come and go whatever a rule says.
        self.leaves.iter().map(|leaf| leaf.subject.source()).chain([Source::Patients]).collect()
    }

    /// Writes the query of all patients, each with `verdict`: true, false, or null if it is unknown.
    pub(in crate::domain::segment) fn judged(&self, sql: &mut Statement) {
        sql.push("select t.patient_id, ");
        self.verdict(&self.root, sql);
        sql.push(" as verdict from (select p.id as patient_id, 0 as leaf, true as truth from patients p ");
        sql.push("where p.organization_id = $1 and p.deleted_at is null");
        for (place, leaf) in self.leaves.iter().enumerate() {
            sql.push(" union all (");
            leaf.write(sql, place + 1, None);
            sql.push(")");
        }
        sql.push(") t group by t.patient_id having bool_or(t.leaf = 0)");
    }

    /// Writes the query of the conditions that have a value for a patient: their numbers, from 1, and results.
    pub(in crate::domain::segment) fn truths(&self, sql: &mut Statement, patient: PatientId) {
        sql.push("select t.leaf, bool_or(t.truth) as truth from (");
        for (place, leaf) in self.leaves.iter().enumerate() {
            sql.push(if place == 0 { "(" } else { " union all (" });
            leaf.write(sql, place + 1, Some(patient));
            sql.push(")");
        }
        sql.push(") t group by t.leaf");
    }

    fn verdict(&self, node: &Node, sql: &mut Statement) {
        match &node.part {
            Part::And(parts) => self.combined(parts, " and ", sql),
            Part::Or(parts) => self.combined(parts, " or ", sql),
            Part::Not(part) => {
                sql.push("(not ");
                self.verdict(part, sql);
                sql.push(")");
            }
            Part::Leaf(place) => self.leaf_verdict(*place, sql),
        }
    }

    fn combined(&self, parts: &[Node], with: &'static str, sql: &mut Statement) {
        for (place, part) in parts.iter().enumerate() {
            sql.push(if place == 0 { "(" } else { with });
            self.verdict(part, sql);
        }
        sql.push(")");
    }

    fn leaf_verdict(&self, place: usize, sql: &mut Statement) {
        let leaf = &self.leaves[place];
        sql.push(if leaf.reversed { "(not " } else { "(" });
        sql.push(if leaf.absent.is_some() { "coalesce(" } else { "(" });
        sql.push("bool_or(t.truth) filter (where t.leaf = ").number(place + 1);
        sql.push(match leaf.absent {
            None => ")))",
            Some(true) => "), true))",
            Some(false) => "), false))",
        });
    }

    /// Decides about a patient from the rows of [`Compiled::truths`].
    pub(in crate::domain::segment) fn explain(&self, truths: &BTreeMap<usize, Option<bool>>) -> Explained {
        let (mut results, mut failing) = (Vec::new(), Vec::new());
        let verdict = self.explain_node(&self.root, truths, &mut results);
        if verdict != Some(true) {
            let by_place = results.iter().map(|(at, result)| (at.as_str(), *result)).collect();
            blame(&self.root, true, &by_place, &mut failing);
        }
        Explained { verdict, results, failing }
    }

    fn explain_node(
        &self,
        node: &Node,
        truths: &BTreeMap<usize, Option<bool>>,
        results: &mut Vec<(String, Option<bool>)>,
    ) -> Option<bool> {
        let place = results.len();
        results.push((node.at.clone(), None));
        let mut each = |parts: &[Node]| -> Vec<Option<bool>> {
            parts.iter().map(|part| self.explain_node(part, truths, results)).collect()
        };
        let result = match &node.part {
            Part::And(parts) => all(&each(parts)),
            Part::Or(parts) => all(&each(parts).into_iter().map(reversed).collect::<Vec<_>>()).map(|truth| !truth),
            Part::Not(part) => reversed(self.explain_node(part, truths, results)),
            Part::Leaf(leaf) => self.leaf_result(*leaf, truths),
        };
        results[place].1 = result;
        result
    }

    fn leaf_result(&self, place: usize, truths: &BTreeMap<usize, Option<bool>>) -> Option<bool> {
        let leaf = &self.leaves[place];
        let truth = truths.get(&(place + 1)).copied().flatten().or(leaf.absent);
        if leaf.reversed { reversed(truth) } else { truth }
    }
}

/// Collects the conditions for which a rule has another result than `wanted`.
fn blame(node: &Node, wanted: bool, results: &BTreeMap<&str, Option<bool>>, failing: &mut Vec<String>) {
    if results.get(node.at.as_str()).copied().flatten() == Some(wanted) {
        return;
    }
    match &node.part {
        Part::And(parts) | Part::Or(parts) => {
            for part in parts {
                blame(part, wanted, results, failing);
            }
        }
        Part::Not(part) => blame(part, !wanted, results, failing),
        Part::Leaf(_) => failing.push(node.at.clone()),
    }
}

fn reversed(truth: Option<bool>) -> Option<bool> {
    truth.map(|truth| !truth)
}

/// Returns false if one is false, else unknown if one is unknown, else true.
fn all(results: &[Option<bool>]) -> Option<bool> {
    if results.contains(&Some(false)) {
        return Some(false);
    }
    (!results.contains(&None)).then_some(true)
}

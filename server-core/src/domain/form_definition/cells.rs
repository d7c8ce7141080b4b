//! Answers as cells of a table whose rows are forms.
//!
//! Columns are named by keys, which never get another meaning: `field`, `group/field`, `score` and `score/band`. So
//! the columns of several versions of a form can be put together, wherever an item stands in each of them.

use serde_json::Value;
use server_shared::http::csv::Cell;

use super::{
    answers::{AnswerEntry, Answers},
    compile::{Compiled, Content},
    evaluate::{Evaluation, FormScoreResult},
};
use crate::domain::field::{FieldType, FieldValue};

/// Character between the chosen options of a cell. No key of an option has it.
const BETWEEN: &str = "|";

impl Compiled {
    /// Returns the names of the columns, in the order of the items.
    pub(crate) fn columns(&self) -> Vec<String> {
        let mut columns = Vec::with_capacity(self.items.len());
        for item in &self.items {
            let key = item.key.as_str();
            match &item.content {
                Content::Text => {}
                Content::Field(_) => columns.push(key.to_owned()),
                Content::Group(rule) => {
                    columns.extend(rule.fields.iter().map(|field| format!("{key}/{}", field.key.as_str())));
                }
                Content::Score(_) => columns.extend([key.to_owned(), format!("{key}/band")]),
            }
        }
        columns
    }

    /// Returns the cells of answers, one for each of [`Compiled::columns`]; those of hidden fields are empty if an
    /// evaluation of the answers is given. A choice shows the keys of its options. A field of a group shows a JSON list
    /// with a value for each entry, `null` where it has none.
    pub(crate) fn cells(
        &self,
        answers: &Answers,
        without_hidden: Option<&Evaluation>,
        scores: &[FormScoreResult],
    ) -> Vec<Cell> {
        let mut cells = Vec::with_capacity(self.items.len());
        for (place, item) in self.items.iter().enumerate() {
            let is_visible = without_hidden.is_none_or(|evaluation| evaluation.items[place].visible);
            match &item.content {
                Content::Text => {}
                Content::Field(rule) => {
                    let value = answers.value(place).filter(|_| is_visible);
                    cells.push(value.map_or(Cell::EMPTY, |value| cell(rule.definition.field_type, value)));
                }
                Content::Group(rule) => {
                    let entries = if is_visible { answers.entries(place) } else { &[] };
                    let states = without_hidden.map(|evaluation| &evaluation.entries[place]);
                    let shows = |entry: usize, field: usize| states.is_none_or(|states| states[entry][field].visible);
                    cells.extend((0..rule.fields.len()).map(|field| list(entries, field, shows)));
                }
                Content::Score(_) => {
                    let score = scores.iter().find(|score| score.key == item.key);
                    let value = score.and_then(|score| score.value).map(|value| Cell::from(value.get()));
                    let band = score.and_then(|score| score.band.as_ref());
                    cells.push(value.unwrap_or(Cell::EMPTY));
                    cells.push(band.map_or(Cell::EMPTY, |band| Cell::text(band.as_str().to_owned())));
                }
            }
        }
        cells
    }
}

/// Makes a cell of a value. The type of the field decides what is text that people write.
fn cell(kind: FieldType, value: &FieldValue) -> Cell {
    match value {
        FieldValue::Text(number) if kind == FieldType::Phone => Cell::phone(number.clone()),
        FieldValue::Text(text) => Cell::text(text.clone()),
        FieldValue::Integer(number) => (*number).into(),
        FieldValue::Decimal(number) => (*number).into(),
        FieldValue::Boolean(truth) => (*truth).into(),
        FieldValue::Date(day) => (*day).into(),
        FieldValue::Time(time) => (*time).into(),
        FieldValue::Datetime(moment) => (*moment).into(),
        FieldValue::Choice(key) => Cell::text(key.clone()),
        FieldValue::Choices(keys) => Cell::text(keys.join(BETWEEN)),
    }
}

/// Makes a cell of the values that a field of a group has in each entry.
fn list(entries: &[AnswerEntry], field: usize, shows: impl Fn(usize, usize) -> bool) -> Cell {
    if entries.is_empty() {
        return Cell::EMPTY;
    }
    let value = |(place, entry): (usize, &AnswerEntry)| {
        let value = entry.values.get(field).and_then(Option::as_ref).filter(|_| shows(place, field));
        value.map_or(Value::Null, FieldValue::to_json)
    };
    let values: Vec<String> = entries.iter().enumerate().map(|at| value(at).to_string()).collect();
    // With spaces, so that no number looks like the begin of a formula to spreadsheets that separate cells by commas.
    Cell::text(format!("[{}]", values.join(", ")))
}

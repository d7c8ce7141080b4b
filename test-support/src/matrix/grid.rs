//! A policy as a grid that a clinician can read.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::{self, Display, Formatter},
};

const HEAD: &str = "operation";

/// Expected statuses: a line for each operation, a column for each caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grid {
    notes: Vec<String>,
    columns: Vec<String>,
    lines: BTreeMap<String, Vec<String>>,
}

impl Grid {
    /// A grid without lines; `notes` stand above it, each line after a `#`.
    pub fn new(notes: &str, columns: &[&str]) -> Self {
        let notes = notes.lines().map(|note| format!("# {note}")).collect();
        Self { notes, columns: columns.iter().map(ToString::to_string).collect(), lines: BTreeMap::new() }
    }

    /// A grid as it was written.
    pub fn parse(text: &str) -> Self {
        let (notes, rest): (Vec<&str>, Vec<&str>) = text.lines().partition(|line| line.starts_with('#'));
        let mut lines = rest.into_iter().map(|line| line.split_whitespace().map(str::to_owned));
        let columns = lines.next().into_iter().flatten().skip(1).collect();
        let lines = lines.filter_map(|mut cells| Some((cells.next()?, cells.collect()))).collect();
        Self { notes: notes.into_iter().map(str::to_owned).collect(), columns, lines }
    }

    /// Adds a line, a cell a column.
    pub fn line(&mut self, operation: &str, cells: Vec<String>) {
        assert_eq!(cells.len(), self.columns.len(), "{operation}: a cell a column");
        self.lines.insert(operation.to_owned(), cells);
    }

    /// The same grid without the line of an operation.
    #[must_use]
    pub fn without(mut self, operation: &str) -> Self {
        self.lines.remove(operation);
        self
    }

    /// Returns `true` if the line of an operation says that a column succeeds; `false` without a line.
    pub fn grants(&self, operation: &str, column: &str) -> bool {
        self.cell(operation, column).is_some_and(|cell| cell.starts_with('2'))
    }

    /// Returns the cell in the line of an operation under a column; `None` if the grid has no such line or column.
    pub fn cell(&self, operation: &str, column: &str) -> Option<&str> {
        let cells = self.lines.get(operation)?;
        let at = self.columns.iter().position(|name| name == column)?;
        cells.get(at).map(String::as_str)
    }

    /// The operations of this grid that the committed one has no line for: nobody has decided who may.
    pub fn undecided<'a>(&'a self, committed: &Self) -> Vec<&'a str> {
        let unknown = self.lines.keys().filter(|operation| !committed.lines.contains_key(*operation));
        unknown.map(String::as_str).collect()
    }

    /// Panics unless `committed`, the text of `file`, says the same.
    #[track_caller]
    pub fn assert_committed(&self, file: &str, committed: &str) {
        let undecided = self.undecided(&Self::parse(committed));
        assert!(
            undecided.is_empty(),
            "nobody has decided who may do {undecided:?}: give the handler its permission, or the table its policies and \
             grants, and {file} the line; as it is now, the file becomes:\n{self}"
        );
        let changes = self.changes(&Self::parse(committed));
        assert!(
            self.to_string() == committed,
            "the policy differs from {file}:\n{}\nif that is meant, the file becomes:\n{self}",
            changes.join("\n")
        );
    }

    /// Names each cell that differs from the committed grid: operation, column, both values.
    fn changes(&self, committed: &Self) -> Vec<String> {
        let cells = self.lines.keys().chain(committed.lines.keys()).collect::<BTreeSet<_>>().into_iter();
        let cells = cells.flat_map(|operation| self.columns.iter().map(move |column| (operation, column)));
        let both = cells.map(|(operation, column)| {
            let of = |grid: &Self| grid.cell(operation, column).unwrap_or("nothing").to_owned();
            (operation, column, of(committed), of(self))
        });
        let changed = both.filter(|(.., before, now)| before != now);
        changed
            .map(|(operation, column, before, now)| format!("  {operation}, {column}: {before} is now {now}"))
            .collect()
    }
}

impl Display for Grid {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for note in &self.notes {
            writeln!(f, "{note}")?;
        }
        let first = self.lines.keys().map(String::len).chain([HEAD.len()]).max().unwrap_or_default();
        let row = |f: &mut Formatter<'_>, head: &str, cells: &[String]| {
            let cells =
                cells.iter().zip(&self.columns).map(|(cell, column)| format!(" {cell:^0$}", column.len().max(3)));
            let cells: String = cells.collect();
            writeln!(f, "{}", format!("{head:<first$}{cells}").trim_end())
        };
        row(f, HEAD, &self.columns)?;
        self.lines.iter().try_for_each(|(operation, cells)| row(f, operation, cells))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid() -> Grid {
        let mut grid = Grid::new("Who may.\nNobody else.", &["admin", "patient"]);
        grid.line("patient_get", vec!["200".to_owned(), "404".to_owned()]);
        grid.line("key_list", vec!["200".to_owned(), "403".to_owned()]);
        grid
    }

    #[test]
    fn a_grid_is_read_as_it_was_written() {
        let text =
            "# Who may.\n# Nobody else.\noperation   admin patient\nkey_list     200    403\npatient_get  200    404\n";
        assert_eq!(grid().to_string(), text);
        assert_eq!(Grid::parse(text), grid());
        assert!(grid().grants("key_list", "admin") && !grid().grants("key_list", "patient"));
        assert!(!grid().grants("key_create", "admin") && !grid().grants("key_list", "nobody"));
        grid().assert_committed("permissions.txt", text);
    }

    #[test]
    fn an_operation_without_a_line_is_named() {
        assert_eq!(grid().undecided(&grid().without("key_list")), ["key_list"]);
        assert!(grid().without("key_list").undecided(&grid()).is_empty());
    }

    #[test]
    #[should_panic(expected = "nobody has decided who may do [\"key_list\"]")]
    fn an_operation_without_a_line_fails() {
        grid().assert_committed("permissions.txt", &grid().without("key_list").to_string());
    }

    #[test]
    #[should_panic(expected = "the policy differs from permissions.txt:\n  key_list, patient: 200 is now 403\n")]
    fn a_cell_that_differs_fails() {
        let mut other = grid();
        other.line("key_list", vec!["200".to_owned(), "200".to_owned()]);
        grid().assert_committed("permissions.txt", &other.to_string());
    }
}

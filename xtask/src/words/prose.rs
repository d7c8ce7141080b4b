//! Finds the paragraphs of doc comments and Markdown pages.

/// A paragraph or an item of a list.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Paragraph {
    /// Number of its first line, from 1.
    pub(super) line: usize,
    /// Its lines, joined by spaces.
    pub(super) text: String,
}

/// Returns the paragraphs of all doc comments of a Rust file.
pub(super) fn of_comments(source: &str) -> Vec<Paragraph> {
    let mut prose = Prose::default();
    for (number, line) in source.lines().enumerate() {
        match comment(line) {
            Some(text) => prose.add(number + 1, text),
            None => prose.end_of_block(),
        }
    }
    prose.finish()
}

/// Returns the paragraphs of a Markdown page.
pub(super) fn of_page(page: &str) -> Vec<Paragraph> {
    let mut prose = Prose::default();
    for (number, line) in page.lines().enumerate() {
        prose.add(number + 1, line);
    }
    prose.finish()
}

/// Returns the text of a line that is a doc comment.
fn comment(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let text = line.strip_prefix("///").or_else(|| line.strip_prefix("//!"))?;
    // Four slashes are an ordinary comment.
    (!text.starts_with('/')).then_some(text)
}

/// Collects paragraphs line by line.
#[derive(Default)]
struct Prose {
    paragraphs: Vec<Paragraph>,
    /// Paragraph that the next line continues.
    open: Option<Paragraph>,
    in_code: bool,
}

impl Prose {
    fn add(&mut self, number: usize, line: &str) {
        let line = line.trim();
        if line.starts_with("```") || line.starts_with("~~~") {
            self.in_code = !self.in_code;
            self.close();
        } else if self.in_code {
        } else if line.is_empty() || line.starts_with(['#', '|']) {
            self.close();
        } else if let Some(item) = item(line) {
            self.close();
            self.open = Some(Paragraph { line: number, text: item.to_owned() });
        } else if let Some(open) = &mut self.open {
            open.text.push(' ');
            open.text.push_str(line);
        } else {
            self.open = Some(Paragraph { line: number, text: line.to_owned() });
        }
    }

    fn close(&mut self) {
        self.paragraphs.extend(self.open.take());
    }

    /// Ends a comment, and with it a code block that it left open.
    fn end_of_block(&mut self) {
        self.close();
        self.in_code = false;
    }

    fn finish(mut self) -> Vec<Paragraph> {
        self.close();
        self.paragraphs
    }
}

/// Returns the text of a line that begins an item of a list (`- `, `* `, `1. `) or a quotation (`> `).
fn item(line: &str) -> Option<&str> {
    let bullet = ["- ", "* ", "> "].iter().find_map(|mark| line.strip_prefix(mark));
    bullet.or_else(|| line.trim_start_matches(|first: char| first.is_ascii_digit()).strip_prefix(". "))
}

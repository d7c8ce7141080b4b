//! Sections of `BENCHMARKS.md`. Each run writes its own and keeps those of the others.

/// Returns `new`, followed by the sections of `old` that `new` does not have.
pub(crate) fn kept(old: &str, new: &str) -> String {
    let titles: Vec<&str> = sections(new).filter_map(title).collect();
    let mut text = new.trim_end().to_owned();
    for section in sections(old).filter(|section| title(section).is_some_and(|title| !titles.contains(&title))) {
        text += "\n\n";
        text += section.trim_end();
    }
    text.push('\n');
    text
}

/// Returns `old` with `section` in the place of its section of that title, or after the last one.
pub(crate) fn replaced(old: &str, section: &str) -> String {
    let wanted = title(section);
    let mut parts: Vec<&str> = sections(old).map(str::trim_end).filter(|part| !part.is_empty()).collect();
    match parts.iter().position(|part| wanted.is_some() && title(part) == wanted) {
        Some(position) => parts[position] = section.trim_end(),
        None => parts.push(section.trim_end()),
    }
    parts.join("\n\n") + "\n"
}

/// Splits a document before each heading of the second level.
fn sections(document: &str) -> impl Iterator<Item = &str> {
    let mut rest = document;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = rest[1..].find("\n## ").map_or(rest.len(), |at| at + 2);
        let (section, others) = rest.split_at(end);
        rest = others;
        Some(section)
    })
}

/// Returns the title of a section; `None` for the text before the first one.
fn title(section: &str) -> Option<&str> {
    section.strip_prefix("## ").and_then(|rest| rest.lines().next())
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "# B\n\nold\n\n## Core\n\n1\n\n### Part\n\n## Telemetry\n\n2\n\n## Method\n\n3\n";

    #[test]
    fn a_run_keeps_the_sections_of_others() {
        let new = "# B\n\nnew\n\n## Core\n\n4\n\n## Method\n\n5\n";
        assert_eq!(kept(OLD, new), "# B\n\nnew\n\n## Core\n\n4\n\n## Method\n\n5\n\n## Telemetry\n\n2\n");
        assert_eq!(kept("", new), new);
    }

    #[test]
    fn a_section_replaces_its_former_self_alone() {
        let expected = OLD.replace("\n2\n", "\n6\n");
        assert_eq!(replaced(OLD, "## Telemetry\n\n6\n"), expected);
        assert_eq!(replaced("# B\n\n## Core\n", "## Telemetry\n\n6\n"), "# B\n\n## Core\n\n## Telemetry\n\n6\n");
        assert_eq!(replaced("", "## Telemetry\n"), "## Telemetry\n");
    }
}

//! Reads `arrows.txt`.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};

use super::imports::room;

/// Rules for the imports of rooms.
#[derive(Debug, Default)]
pub(super) struct Rules {
    /// Names that stand below their room, so that importing them is no arrow to the room: `audit::Audit`.
    pub(super) leaves: BTreeSet<String>,
    /// By room, the rooms that it may import.
    pub(super) allowed: BTreeMap<String, BTreeSet<String>>,
    /// Files of a room from the top down: `api`, `service`, `repository`.
    pub(super) layers: Vec<String>,
    /// By name of a crate or room, the rooms and layers that do without it.
    pub(super) without: BTreeMap<String, BTreeSet<String>>,
}

impl Rules {
    /// Reads lines of the form `room: other rooms`, `leaf: names`, `layers: files`, `without name: rooms` and comments.
    pub(super) fn read(text: &str) -> Result<Self> {
        let mut rules = Self::default();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (subject, names) = line.split_once(':').with_context(|| unreadable(line))?;
            let names = names.split_whitespace().map(str::to_owned);
            match subject.split_whitespace().collect::<Vec<_>>()[..] {
                ["leaf"] => rules.leaves.extend(names),
                ["layers"] => rules.layers.extend(names),
                ["without", name] => rules.without.entry(name.to_owned()).or_default().extend(names),
                [room] => rules.allowed.entry(room.to_owned()).or_default().extend(names),
                _ => bail!(unreadable(line)),
            }
        }
        Ok(rules)
    }

    pub(super) fn allow(&self, importing: &str, imported: &str) -> bool {
        self.allowed
            .iter()
            .any(|(room, rooms)| stands_for(room, importing) && rooms.iter().any(|to| stands_for(to, imported)))
    }

    /// The layer of a module or path, counted from the top; `None` for a file that is none of them.
    pub(super) fn layer(&self, path: &[String]) -> Option<usize> {
        let inner = path.get(room(path).split('/').count()..)?;
        // A type that a room shows of a layer is called after it.
        if let [item] = inner
            && item.starts_with(char::is_uppercase)
        {
            return self.layers.iter().position(|layer| item.to_lowercase().ends_with(layer.as_str()));
        }
        inner.iter().rev().find_map(|part| self.layers.iter().position(|layer| layer == part))
    }
}

fn unreadable(line: &str) -> String {
    format!(
        "`{line}` is no line of the form `room: rooms`, `leaf: names`, `layers: files`, `without name: rooms` or \
         `# comment`"
    )
}

/// Returns true if a room of a rule is this room: by its name, as `folder/*`, or as `*`.
pub(super) fn stands_for(rule: &str, room: &str) -> bool {
    rule == room || rule.strip_suffix('*').is_some_and(|folder| room.starts_with(folder))
}

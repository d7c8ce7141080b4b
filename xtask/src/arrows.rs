//! `cargo xtask arrows`: which rooms of a server import which others, against the arrows that are allowed.
//!
//! A room is a module at the top of a server's `src`, and each domain is one. Every path counts, in a `use` as well as
//! in an expression or in the arguments of a macro. `arrows.txt` in the server's folder states what each room may
//! import; a room that imports more, a circle of rooms and a line that nothing needs any more are faults. Its lines:
//!
//! - `room: other rooms` lets a room import others; `domain/*` stands for each room in a folder, `*` for every room.
//! - `leaf: names` lists names that stand below their room, so that importing them is no arrow to it: `audit::Audit`;
//!   in `domain::*::*Event` a `*` stands for any part of a name.
//! - `circle: rooms` states a circle that is still to be dissolved.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use proc_macro2::{Delimiter, TokenStream, TokenTree};

use crate::stack::paths;

/// The servers, by their folders.
const SERVERS: [&str; 2] = ["server-core", "server-telemetry"];
/// The folders whose subfolders are rooms of their own.
const FOLDERS: [&str; 2] = ["domain", "integration"];

/// Checks both servers.
///
/// # Errors
/// When a room imports what it may not; the error names the room, what it imports, and the files.
pub(crate) fn run() -> Result<()> {
    let mut faults = Vec::new();
    for server in SERVERS {
        let folder = paths::checkout().join(server);
        let rules = fs::read_to_string(folder.join("arrows.txt")).with_context(|| format!("{server}/arrows.txt"))?;
        let imports = Imports::of(&folder.join("src"))?;
        faults.extend(check(&Rules::read(&rules)?, &imports).into_iter().map(|fault| format!("{server}: {fault}")));
    }
    if !faults.is_empty() {
        bail!("arrows that point the wrong way:\n  {}", faults.join("\n  "));
    }
    Ok(())
}

/// What rooms may import.
#[derive(Debug, Default)]
struct Rules {
    /// Names that stand below their room, so that importing them is no arrow to the room: `audit::Audit`.
    leaves: BTreeSet<String>,
    /// By room, the rooms that it may import.
    allowed: BTreeMap<String, BTreeSet<String>>,
    /// Circles that are still there.
    circles: BTreeSet<Vec<String>>,
}

impl Rules {
    /// Reads lines of the form `room: other rooms`, `leaf: names` and comments.
    fn read(text: &str) -> Result<Self> {
        let mut rules = Self::default();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (room, names) = line.split_once(':').filter(|(room, _)| !room.contains(' ')).with_context(|| {
                format!("`{line}` is no line of the form `room: rooms`, `leaf: names` or `# comment`")
            })?;
            let names = names.split_whitespace().map(str::to_owned);
            match room {
                "leaf" => rules.leaves.extend(names),
                "circle" => _ = rules.circles.insert(names.collect::<BTreeSet<_>>().into_iter().collect()),
                room => rules.allowed.entry(room.to_owned()).or_default().extend(names),
            }
        }
        Ok(rules)
    }

    fn allow(&self, importing: &str, imported: &str) -> bool {
        self.allowed
            .iter()
            .any(|(room, rooms)| stands_for(room, importing) && rooms.iter().any(|to| stands_for(to, imported)))
    }
}

/// By room and imported room, the files that import it.
type Arrows = BTreeMap<(String, String), BTreeSet<String>>;

/// What the files of a server import.
#[derive(Debug, Default)]
struct Imports {
    /// Each as the importing room, the path that is imported (`audit::Audit`) and the file.
    paths: BTreeSet<(String, Vec<String>, String)>,
    rooms: BTreeSet<String>,
}

impl Imports {
    fn of(source: &Path) -> Result<Self> {
        let mut imports = Self::default();
        for file in files(source)? {
            let relative = file.strip_prefix(source)?.with_extension("");
            let mut module: Vec<String> =
                relative.iter().map(|part| part.to_string_lossy().into_owned()).filter(|part| part != "mod").collect();
            if module == ["main"] {
                module.clear();
            }
            let text = fs::read_to_string(&file)?;
            let tokens: TokenStream = text.parse().map_err(|error| anyhow::anyhow!("{}: {error}", file.display()))?;
            imports.add(&module, &relative.display().to_string(), tokens);
        }
        Ok(imports)
    }

    fn add(&mut self, module: &[String], file: &str, tokens: TokenStream) {
        let importing = room(module);
        self.rooms.insert(importing.clone());
        let mut found = Vec::new();
        walk(tokens, module, &mut found);
        self.paths.extend(found.into_iter().map(|path| (importing.clone(), path, file.to_owned())));
    }

    /// Arrows between rooms, without those to `leaves`.
    fn arrows(&self, leaves: &BTreeSet<String>) -> Arrows {
        let mut arrows = Arrows::new();
        for (importing, path, file) in &self.paths {
            let imported = room(path);
            let is_leaf = leaves.iter().any(|leaf| begins_with(path, leaf));
            // A path that is no room's is an item of the crate's root.
            if imported != *importing && !is_leaf && self.rooms.contains(&imported) {
                arrows.entry((importing.clone(), imported)).or_default().insert(file.clone());
            }
        }
        arrows
    }
}

/// Returns true if a path begins with the names of a leaf.
fn begins_with(path: &[String], leaf: &str) -> bool {
    let names: Vec<&str> = leaf.split("::").collect();
    path.len() >= names.len()
        && path.iter().zip(names).all(|(part, name)| match name.split_once('*') {
            None => part == name,
            Some((start, end)) => {
                part.len() >= start.len() + end.len() && part.starts_with(start) && part.ends_with(end)
            }
        })
}

/// The room of a module, or of a path that begins at the crate's root.
fn room(path: &[String]) -> String {
    match path {
        [folder, room, ..] if FOLDERS.contains(&folder.as_str()) && room.starts_with(char::is_lowercase) => {
            format!("{folder}/{room}")
        }
        [first, ..] => first.clone(),
        [] => "main".to_owned(),
    }
}

/// Finds paths that begin with `crate` or `super`, wherever they stand.
fn walk(tokens: TokenStream, module: &[String], found: &mut Vec<Vec<String>>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        at += 1;
        match token {
            TokenTree::Group(group) => walk(group.stream(), module, found),
            // `$crate` is the crate of the macro, which is this one or is not looked at.
            TokenTree::Ident(ident) if ident == "crate" => at = branch(&tokens, at, Vec::new(), found),
            TokenTree::Ident(ident) if ident == "super" => {
                let mut start = module.to_vec();
                start.pop();
                while separator(&tokens, at) && is_ident(tokens.get(at + 2), "super") {
                    start.pop();
                    at += 3;
                }
                at = branch(&tokens, at, start, found);
            }
            _ => {}
        }
    }
}

/// Reads on from a path's beginning: `::name`, or `::{…}` with a path each. Returns where it ends.
fn branch(tokens: &[TokenTree], mut at: usize, mut path: Vec<String>, found: &mut Vec<Vec<String>>) -> usize {
    while separator(tokens, at) {
        match tokens.get(at + 2) {
            Some(TokenTree::Ident(name)) => {
                path.push(name.to_string());
                at += 3;
            }
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                for part in inner.split(|token| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ',')) {
                    let mut path = path.clone();
                    if let Some(TokenTree::Ident(name)) = part.first() {
                        path.push(name.to_string());
                        branch(part, 1, path, found);
                    }
                }
                return at + 3;
            }
            _ => break,
        }
    }
    if !path.is_empty() {
        found.push(path);
    }
    at
}

fn separator(tokens: &[TokenTree], at: usize) -> bool {
    let colon = |at| matches!(tokens.get(at), Some(TokenTree::Punct(punct)) if punct.as_char() == ':');
    colon(at) && colon(at + 1)
}

fn is_ident(token: Option<&TokenTree>, name: &str) -> bool {
    matches!(token, Some(TokenTree::Ident(ident)) if ident == name)
}

/// Faults of the imports by the rules.
fn check(rules: &Rules, imports: &Imports) -> Vec<String> {
    let arrows = imports.arrows(&rules.leaves);
    let mut faults = Vec::new();
    for ((importing, imported), files) in &arrows {
        if !rules.allow(importing, imported) {
            let files = files.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
            faults.push(format!("{importing} imports {imported}, which arrows.txt does not allow ({files})"));
        }
    }
    for (importing, rooms) in &rules.allowed {
        for imported in rooms {
            if !arrows.keys().any(|(from, to)| stands_for(importing, from) && stands_for(imported, to)) {
                faults.push(format!("arrows.txt allows {importing} to import {imported}, which it does not"));
            }
        }
    }
    let circles = circles(&arrows);
    let new = circles.difference(&rules.circles).map(|circle| format!("a circle: {}", circle.join(" ")));
    faults.extend(new);
    let gone = rules.circles.difference(&circles).map(|circle| format!("no circle any more: {}", circle.join(" ")));
    faults.extend(gone);
    faults
}

/// Returns true if a room of a rule is this room: by its name, as `folder/*`, or as `*`.
fn stands_for(rule: &str, room: &str) -> bool {
    rule == room || rule.strip_suffix('*').is_some_and(|folder| room.starts_with(folder))
}

/// Sets of rooms that reach one another.
fn circles(arrows: &Arrows) -> BTreeSet<Vec<String>> {
    let mut next: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (from, to) in arrows.keys() {
        next.entry(from).or_default().insert(to);
    }
    let from_room = |from: &str| {
        let (mut seen, mut open) = (BTreeSet::new(), vec![from.to_owned()]);
        while let Some(room) = open.pop() {
            for to in next.get(room.as_str()).into_iter().flatten() {
                if seen.insert((*to).to_owned()) {
                    open.push((*to).to_owned());
                }
            }
        }
        seen
    };
    let reaches: BTreeMap<&str, BTreeSet<String>> = next.keys().map(|room| (*room, from_room(room))).collect();
    let mut circles = BTreeSet::new();
    for (room, rooms) in &reaches {
        if rooms.contains(*room) {
            let back = |other: &&String| reaches.get(other.as_str()).is_some_and(|back| back.contains(*room));
            circles.insert(rooms.iter().filter(back).cloned().collect::<Vec<_>>());
        }
    }
    circles
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            all.extend(files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            all.push(path);
        }
    }
    all.sort();
    Ok(all)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn imports(files: &[(&str, &str)]) -> Imports {
        let mut imports = Imports::default();
        for (file, source) in files {
            let module: Vec<String> = file.split('/').filter(|part| *part != "mod").map(str::to_owned).collect();
            imports.add(&module, file, source.parse().unwrap());
        }
        imports
    }

    const BELOW: (&str, &str) = ("database/mod", "pub fn read() {}");

    #[test]
    fn every_path_is_an_import_wherever_it_stands() {
        for source in [
            "use crate::database::read;",
            "use crate::{ids::Id, database};",
            "use super::super::database::{self};",
            "fn f() { crate::database::read() }",
            "fn f(x: &dyn crate::database::Tx) {}",
            "fn f() { println!(\"{}\", crate::database::read()) }",
        ] {
            let imports = imports(&[BELOW, ("http/limits", source)]);
            let faults = check(&Rules::default(), &imports);
            assert_eq!(faults.len(), 1, "{source}: {faults:?}");
            assert!(faults[0].contains("http imports database") && faults[0].contains("http/limits"), "{faults:?}");
        }
    }

    #[test]
    fn what_is_allowed_is_no_fault_and_what_nobody_needs_is_one() {
        let imports = imports(&[BELOW, ("http/limits", "use crate::database::read;")]);
        let faults = |rules: &str| check(&Rules::read(rules).unwrap(), &imports);
        assert_eq!(faults("# comment\n\nhttp: database"), Vec::<String>::new());
        for leaf in ["database::read", "database::*", "data*::r*d"] {
            assert_eq!(faults(&format!("leaf: {leaf}")), Vec::<String>::new(), "{leaf}");
        }
        assert_eq!(faults("leaf: database::*x database::read::x d*base::re*ead").len(), 1);
        assert!(faults("http: database\ndatabase: http")[0].contains("which it does not"));
        assert!(Rules::read("http database").is_err());
    }

    #[test]
    fn domains_are_rooms_of_their_own_and_a_circle_is_named_though_each_arrow_is_allowed() {
        let imports = imports(&[
            ("domain/patient/service", "use crate::domain::visit::Visit;"),
            ("domain/visit/service", "use super::super::patient; use crate::domain::Tag;"),
            ("domain/mod", "pub enum Tag {}"),
        ]);
        let rules = "domain/patient: domain/visit\ndomain/*: domain\ndomain/visit: domain/patient";
        let faults = |more: &str| check(&Rules::read(&format!("{rules}{more}")).unwrap(), &imports);
        assert_eq!(faults(""), ["a circle: domain/patient domain/visit"]);
        assert_eq!(faults("\ncircle: domain/visit domain/patient"), Vec::<String>::new());
        assert_eq!(faults("\ncircle: domain/patient domain/visit\ncircle: a b"), ["no circle any more: a b"]);
    }
}

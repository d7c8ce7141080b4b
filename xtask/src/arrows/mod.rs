//! `cargo xtask arrows`: checks the imports between the rooms of a server against the allowed ones.
//!
//! A room is a module at the top of a server's `src`, and each domain is one. Every path counts, in a `use` as well as
//! in an expression or in the arguments of a macro. `arrows.txt` in the server's folder states what each room may
//! import; a room that imports more, a circle of rooms and a line that nothing needs any more are faults. Its lines:
//!
//! - `room: other rooms` lets a room import others; `domain/*` stands for each room in a folder, `*` for every room.
//! - `leaf: names` lists names that stand below their room, so that importing them is no arrow to it: `audit::Audit`;
//!   in `domain::*::*Event` a `*` stands for any part of a name.
//! - `layers: files` lists files that a room may have, from the top down; within a room, none of them imports one that
//!   is named before it.
//! - `without name: rooms and layers` lists rooms and layers that never name a crate, or a room that others of their
//!   room may import: `without poem: identity service`.

mod imports;
mod rules;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use anyhow::{Context, Result, bail};

use self::{
    imports::{Arrows, FOLDERS, Import, Imports, room},
    rules::{Rules, stands_for},
};
use crate::stack::paths;

/// The servers, by their folders.
const SERVERS: [&str; 2] = ["server-core", "server-telemetry"];

/// Checks both servers.
///
/// # Errors
/// Fails if a room imports something that is not allowed; the error names the room, the import and the files.
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
    faults.extend(circles(&arrows).iter().map(|circle| format!("a circle: {}", circle.join(" "))));
    faults.extend(folders(imports));
    faults.extend(upwards(rules, imports));
    faults.extend(kept_out(rules, imports));
    faults
}

/// Faults of files that import a folder of rooms as one name: no path says then which rooms they mean.
fn folders(imports: &Imports) -> Vec<String> {
    let whole = imports.own.iter().filter(|import| {
        import.path.len() == 1 && FOLDERS.contains(&import.path[0].as_str()) && import.path != import.module
    });
    whole.map(|Import { path, file, .. }| format!("{file} imports {} as a whole: name the room", path[0])).collect()
}

/// Faults of files that import a layer above their own, in their room.
fn upwards(rules: &Rules, imports: &Imports) -> Vec<String> {
    let mut faults = Vec::new();
    for Import { module, path, file } in &imports.own {
        if let (Some(own), Some(other)) = (rules.layer(module), rules.layer(path))
            && other < own
            && room(module) == room(path)
        {
            faults.push(format!("{file} imports {}, which stands above it", path.join("::")));
        }
    }
    faults
}

/// Faults of files that name a crate or room which their own room or layer does without.
fn kept_out(rules: &Rules, imports: &Imports) -> Vec<String> {
    let mut faults = Vec::new();
    for (name, kept) in &rules.without {
        let crates = imports.others.iter().filter(|import| import.path[0] == *name);
        let rooms = imports.own.iter().filter(|import| room(&import.path) == *name && room(&import.module) != *name);
        for Import { module, file, .. } in crates.chain(rooms) {
            let layer = rules.layer(module).and_then(|layer| rules.layers.get(layer));
            if kept.contains(&room(module)) || layer.is_some_and(|layer| kept.contains(layer)) {
                faults.push(format!("{file} names {name}, which arrows.txt keeps out of it"));
            }
        }
        for unknown in kept.iter().filter(|kept| !imports.rooms.contains(*kept) && !rules.layers.contains(kept)) {
            faults.push(format!("arrows.txt keeps {name} out of {unknown}, which is neither a room nor a layer"));
        }
    }
    faults
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

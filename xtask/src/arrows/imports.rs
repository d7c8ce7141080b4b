//! Reads the imports of the files of a server.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// The folders whose subfolders are rooms of their own.
pub(super) const FOLDERS: [&str; 2] = ["domain", "integration"];

/// By room and imported room, the files that import it.
pub(super) type Arrows = BTreeMap<(String, String), BTreeSet<String>>;

/// A name that a file uses.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Import {
    /// The module that the file is.
    pub(super) module: Vec<String>,
    /// The name, from the crate's root (`audit::Audit`), or from another crate's name on.
    pub(super) path: Vec<String>,
    pub(super) file: String,
}

/// Imports of the files of a server.
#[derive(Debug, Default)]
pub(super) struct Imports {
    /// Paths within the crate.
    pub(super) own: BTreeSet<Import>,
    /// Paths that begin with any other name; most are names of other crates.
    pub(super) others: BTreeSet<Import>,
    pub(super) rooms: BTreeSet<String>,
}

impl Imports {
    pub(super) fn of(source: &Path) -> Result<Self> {
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

    pub(super) fn add(&mut self, module: &[String], file: &str, tokens: TokenStream) {
        self.rooms.insert(room(module));
        let mut found = Found::default();
        walk(tokens, module, &mut found);
        let import = |path| Import { module: module.to_vec(), path, file: file.to_owned() };
        self.own.extend(found.own.into_iter().map(import));
        self.others.extend(found.others.into_iter().map(|name| import(vec![name])));
    }

    /// Arrows between rooms, without those to `leaves`.
    pub(super) fn arrows(&self, leaves: &BTreeSet<String>) -> Arrows {
        let mut arrows = Arrows::new();
        for Import { module, path, file } in &self.own {
            let (importing, imported) = (room(module), room(path));
            let is_leaf = leaves.iter().any(|leaf| begins_with(path, leaf));
            // A path that is no room's is an item of the crate's root.
            if imported != importing && !is_leaf && self.rooms.contains(&imported) {
                arrows.entry((importing, imported)).or_default().insert(file.clone());
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
pub(super) fn room(path: &[String]) -> String {
    match path {
        [folder, room, ..] if FOLDERS.contains(&folder.as_str()) && room.starts_with(char::is_lowercase) => {
            format!("{folder}/{room}")
        }
        [first, ..] => first.clone(),
        [] => "main".to_owned(),
    }
}

/// Paths that the tokens of a file name.
#[derive(Default)]
struct Found {
    /// Paths within the crate.
    own: Vec<Vec<String>>,
    /// First names of all other paths.
    others: BTreeSet<String>,
}

/// Finds paths, wherever they stand: with all their parts those that begin with `crate` or `super`, and the first
/// name of the others.
fn walk(tokens: TokenStream, module: &[String], found: &mut Found) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        at += 1;
        match token {
            TokenTree::Group(group) => walk(group.stream(), module, found),
            // `$crate` is the crate of the macro, which is this one or is not looked at.
            TokenTree::Ident(ident) if ident == "crate" => at = branch(&tokens, at, Vec::new(), &mut found.own),
            TokenTree::Ident(ident) if ident == "mod" && is_brace(tokens.get(at + 1)) => {
                if let (Some(TokenTree::Ident(name)), Some(TokenTree::Group(group))) =
                    (tokens.get(at), tokens.get(at + 1))
                {
                    walk(group.stream(), &[module, &[name.to_string()]].concat(), found);
                }
                at += 2;
            }
            // In `pub(super)` it begins no path.
            TokenTree::Ident(ident) if ident == "super" && separator(&tokens, at) => {
                let mut start = module.to_vec();
                start.pop();
                while separator(&tokens, at) && is_ident(tokens.get(at + 2), "super") {
                    start.pop();
                    at += 3;
                }
                at = branch(&tokens, at, start, &mut found.own);
            }
            TokenTree::Ident(ident) if separator(&tokens, at) || at > 1 && is_ident(tokens.get(at - 2), "use") => {
                found.others.insert(ident.to_string());
                // The rest of the path begins none. Groups of it are passed over, but for those of expressions.
                while separator(&tokens, at) {
                    let part = tokens.get(at + 2);
                    let ends = !matches!(part, Some(TokenTree::Ident(_)));
                    at += if ends && !is_brace(part) { 2 } else { 3 };
                    if ends {
                        break;
                    }
                }
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
                step(&mut path, name.to_string());
                at += 3;
            }
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                for part in inner.split(|token| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ',')) {
                    let mut path = path.clone();
                    if let Some(TokenTree::Ident(name)) = part.first() {
                        step(&mut path, name.to_string());
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

/// Goes on to `name`; `super` leads back, and `self` nowhere.
fn step(path: &mut Vec<String>, name: String) {
    match name.as_str() {
        "super" => _ = path.pop(),
        "self" => {}
        _ => path.push(name),
    }
}

fn separator(tokens: &[TokenTree], at: usize) -> bool {
    let colon = |at| matches!(tokens.get(at), Some(TokenTree::Punct(punct)) if punct.as_char() == ':');
    colon(at) && colon(at + 1)
}

fn is_ident(token: Option<&TokenTree>, name: &str) -> bool {
    matches!(token, Some(TokenTree::Ident(ident)) if ident == name)
}

fn is_brace(token: Option<&TokenTree>) -> bool {
    matches!(token, Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace)
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

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
        "use super::{limits, super::database::read};",
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
    let rules = Rules::read("domain/patient: domain/visit\ndomain/*: domain\ndomain/visit: domain/patient").unwrap();
    assert_eq!(check(&rules, &imports), ["a circle: domain/patient domain/visit"]);
}

#[test]
fn within_a_room_no_layer_imports_one_above_it() {
    let faults_of = |file: &str, source: &str| {
        let imports = imports(&[(file, source), ("domain/visit/service", "")]);
        let rules = Rules::read("layers: api service repository\ndomain/*: domain/visit").unwrap();
        check(&rules, &imports).into_iter().filter(|fault| fault.contains("above it")).collect::<Vec<_>>()
    };
    for (file, source) in [
        ("domain/patient/repository", "use super::service::Row;"),
        ("domain/patient/repository", "use super::{model::Patient, Service};"),
        ("domain/patient/link/repository", "fn f() { crate::domain::patient::service::f() }"),
        ("domain/patient/repository/pages", "use super::super::api::Api;"),
        ("domain/patient/service", "use super::api::Api;"),
    ] {
        assert_eq!(faults_of(file, source).len(), 1, "{file}: {source}");
    }
    for (file, source) in [
        ("domain/patient/api", "use super::{Service, repository::Row, service::Found};"),
        ("domain/patient/repository", "use super::model::{HoldingService, Patient};"),
        ("domain/patient/model", "use super::service::Row;"),
        // Another domain's service is an arrow between rooms.
        ("domain/patient/repository", "use crate::domain::visit::Service;"),
    ] {
        assert_eq!(faults_of(file, source), Vec::<String>::new(), "{file}: {source}");
    }
}

#[test]
fn a_crate_that_is_kept_out_is_found_wherever_it_is_named() {
    let rules = "layers: service\nwithout poem: identity service";
    let faults_of = |file: &str, source: &str| {
        let imports = imports(&[(file, source), ("identity/mod", "")]);
        check(&Rules::read(rules).unwrap(), &imports)
    };
    for source in [
        "use poem::Body;",
        "use {chrono::Utc, poem::Body};",
        "fn f() -> poem::Response { f() }",
        "use poem as web;",
        "#[derive(poem::Derived)] struct A;",
        "fn f() { println!(\"{}\", poem::f()) }",
    ] {
        for file in ["identity/caller", "domain/patient/service"] {
            let faults = faults_of(file, source);
            assert_eq!(faults.len(), 1, "{source}: {faults:?}");
            assert!(faults[0].contains(file) && faults[0].contains("poem"), "{faults:?}");
        }
        assert_eq!(faults_of("domain/patient/api", source), Vec::<String>::new(), "{source}");
    }
    for source in ["use poem_openapi::Object;", "use chrono::{poem::Body};", "fn f() { chrono::poem::f() }"] {
        assert_eq!(faults_of("identity/caller", source), Vec::<String>::new(), "{source}");
    }
    let http = |file: &str| {
        let imports = imports(&[(file, "use crate::http::Feeds;"), ("http/mod", "")]);
        check(&Rules::read("layers: service\nwithout http: service\ndomain/*: http").unwrap(), &imports)
    };
    assert!(http("domain/calendar/service")[0].contains("domain/calendar/service names http"));
    assert_eq!(http("domain/calendar/api"), Vec::<String>::new(), "the room may import it, above its service");
    let imports = imports(&[("identity/mod", "")]);
    let faults = check(&Rules::read("without poem: database").unwrap(), &imports);
    assert!(faults[0].contains("neither a room nor a layer"), "{faults:?}");
}

#[test]
fn a_folder_of_rooms_is_imported_room_by_room() {
    let visit = ("domain/visit/service", "pub struct Service;");
    for source in [
        "use crate::domain; fn f(x: domain::visit::Service) {}",
        "use crate::domain as rooms; fn f(x: rooms::visit::Service) {}",
        "use super::super::{self as rooms};",
        "use crate::{domain::{self, Tag}};",
    ] {
        let imports = imports(&[visit, ("domain/mod", "pub enum Tag {}"), ("domain/patient/service", source)]);
        let faults = check(&Rules::read("domain/*: domain").unwrap(), &imports);
        assert!(faults.iter().any(|fault| fault.contains("imports domain as a whole")), "{source}: {faults:?}");
    }
    let within = imports(&[
        visit,
        ("domain/visit/mod", "pub(super) fn f() {} mod tests { use super::*; }"),
        ("domain/mod", "pub enum Tag {}"),
    ]);
    assert_eq!(check(&Rules::default(), &within), Vec::<String>::new());
}

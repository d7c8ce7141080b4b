//! Values that people type, and the way in which Core searches, compares, sorts, normalizes or refuses them.

use std::fmt::Write as _;

use reqwest::Method;
use serde_json::{Value, json};
use test_support::{Actor, Answer, CoreApp, Refusal};

async fn create(actor: &Actor, first: &str, last: &str, more: Value) -> Answer {
    let mut body = json!({ "first_name": first, "last_name": last });
    body.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
    Answer::to(actor.request(Method::POST, "/v1/patients").json(&body)).await
}

/// The last names of the patients that a list finds, in its order.
async fn list(actor: &Actor, parameter: &str, value: &str) -> Vec<String> {
    let request = actor.request(Method::GET, "/v1/patients").query(&[(parameter, value), ("page_size", "100")]);
    let page = Answer::to(request).await.json(200);
    page["data"].as_array().unwrap().iter().map(|one| one["last_name"].as_str().unwrap().to_owned()).collect()
}

/// Tells that a request was refused for this field and no other.
fn is_for(refusal: &Refusal, pointer: &str) -> bool {
    let fields = refusal.fields();
    !fields.is_empty() && fields.iter().all(|(at, _)| *at == pointer)
}

/// Collects what did not hold, so that one run tells of every line of a table.
#[derive(Default)]
struct Table {
    lines: usize,
    broken: String,
}

impl Table {
    fn line(&mut self, holds: bool, line: impl std::fmt::Debug) {
        self.lines += 1;
        if !holds {
            writeln!(self.broken, "{line:?}").unwrap();
        }
    }

    fn assert(self, at_least: usize) {
        assert!(self.broken.is_empty(), "\n{}", self.broken);
        assert!(self.lines >= at_least, "only {} lines", self.lines);
    }
}

/// First name, last name, what is typed into the search, and whether it finds them.
const SEARCHES: [(&str, &str, &str, bool); 26] = [
    ("André", "Lefèvre", "Andre", true),
    ("André", "Lefèvre", "lefevre", true),
    ("Andre\u{301}", "Martin", "André", true),
    ("André", "Dupont", "Andre\u{301}", true),
    ("Anna", "Groß", "GROSS", true),
    ("Anna", "GROSSMANN", "großm", true),
    ("Nikos", "Σίσυφος", "ΣΊΣΥΦΟΣ", true),
    ("Nikos", "ΣΊΣΥΦΟΣ", "Σίσυφος", true),
    ("Sinead", "O’Connor", "o'connor", true),
    ("Sinead", "O'Connor", "O’CONNOR", true),
    ("Jean-Luc", "Picard", "jean\u{2011}luc", true),
    ("Grace", "Hopper", "Hopper Grace", true),
    ("Grace", "Hopper", "  hopper   grace ", true),
    ("Grace", "Hopper", "hop gra", true),
    ("Grace", "Hopper", "Grace Kelly", false),
    ("Łukasz", "Żółć", "lukasz zolc", true),
    ("Søren", "Ærø", "soren aero", true),
    ("İbrahim", "Şahin", "ibrahim sahin", true),
    ("Ștefan", "Țepeș", "Stefan Tepes", true),
    ("Юлия", "Ёлкина", "елкина", true),
    ("Ｔａｒｏ", "Ｔａｎａｋａ", "tanaka", true),
    ("がく", "たなか", "かく", false),
    ("Ana", "Pop_escu", "pop%escu", false),
    ("Ana", "100%ig", "100%", true),
    ("Ana\u{ad}Maria", "Ionescu", "anamaria", true),
    ("Mary Ann", "Evans", "maryann", false),
];

#[tokio::test]
async fn names_are_found_as_people_type_them() {
    let app = CoreApp::start().await;
    let staff = app.staff();
    let mut table = Table::default();
    for (index, (first, last, typed, found)) in SEARCHES.into_iter().enumerate() {
        // The number tells this one from others of the name.
        let last = format!("{last} {}", char::from(b'A' + u8::try_from(index).unwrap()));
        let stored = create(&staff, first, &last, json!({})).await.json(201)["last_name"].clone();
        let names = list(&staff, "search", typed).await;
        table.line(names.iter().any(|name| *name == stored) == found, (first, last, typed, names));
    }
    table.assert(26);
}

/// Two names: whether the form takes them for the same text, or refuses the second.
const NAMES: [(&str, &str, bool); 10] = [
    ("André", "Andre\u{301}", true),
    ("Ana Maria", "  Ana \u{a0} Maria ", true),
    ("Ana Maria", "Ana\u{3000}Maria", true),
    ("Ana", "\u{feff}Ana\u{200b}", true),
    ("Ana", "\u{200b}\u{200d}", false),
    ("Ana", "\u{3164}", false),
    ("Ana", "\u{2800}", false),
    ("Ana", " ", false),
    ("Ana", "A\u{7f}na", false),
    ("Ana", "A\u{202e}na", false),
];

#[tokio::test]
async fn names_have_one_form_or_none() {
    let app = CoreApp::start().await;
    let staff = app.staff();
    let mut table = Table::default();
    for (one, other, same) in NAMES {
        let stored = create(&staff, one, "Sample", json!({})).await.json(201)["first_name"].clone();
        let answer = create(&staff, other, "Sample", json!({})).await;
        let holds = if same {
            answer.status == 201 && answer.json(201)["first_name"] == stored
        } else {
            is_for(&answer.refusal(422, "validation_failed"), "/first_name")
        };
        table.line(holds, (one, other, answer.status));
    }
    table.assert(10);
}

/// Relation of a second address to the first one.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Address {
    Same,
    Other,
    Refused,
}

const ADDRESSES: [(&str, &str, Address); 14] = [
    ("ana.pop@example.org", "Ana.Pop@EXAMPLE.org", Address::Same),
    ("ana@one.example", " ana@one.example ", Address::Same),
    ("josé@two.example", "jose\u{301}@two.example", Address::Same),
    ("JOSÉ@three.example", "jose\u{301}@three.example", Address::Same),
    ("ana@bücher.example", "ana@xn--bcher-kva.example", Address::Same),
    ("ana@BÜCHER.four.example", "ana@bu\u{308}cher.four.example", Address::Same),
    ("straße@five.example", "STRASSE@five.example", Address::Same),
    ("ana@six.example", "ana@six.example.", Address::Same),
    ("jose@seven.example", "josé@seven.example", Address::Other),
    ("ana.pop@eight.example", "anapop@eight.example", Address::Other),
    ("ana@nine.example", "ana@@nine.example", Address::Refused),
    ("ana@ten.example", "ana\u{200b}@ten.example", Address::Refused),
    ("ana@eleven.example", "ana@-eleven.example", Address::Refused),
    ("ana@twelve.example", "ana@twelve..example", Address::Refused),
];

#[tokio::test]
async fn addresses_are_one_persons_in_every_form() {
    let app = CoreApp::start().await;
    let staff = app.staff();
    let mut table = Table::default();
    for (one, other, expected) in ADDRESSES {
        create(&staff, "Ana", "Pop", json!({ "email": one })).await.json(201);
        let answer = create(&staff, "Ana", "Pop", json!({ "email": other })).await;
        let is = match answer.status.as_u16() {
            201 => Address::Other,
            409 => Address::Same,
            _ => {
                assert!(is_for(&answer.refusal(422, "validation_failed"), "/email"));
                Address::Refused
            }
        };
        // What finds the one finds it by the other, too.
        let found = expected == Address::Refused
            || (list(&staff, "email", other).await.len() == 1 && list(&staff, "email", one).await.len() == 1);
        table.line(is == expected && found, (one, other, is, found));
    }
    table.assert(14);
}

/// A number and another way to write it, in a clinic of Germany: whether the one finds the other; `None` if it is
/// refused.
const NUMBERS: [(&str, &str, Option<bool>); 12] = [
    ("+49 30 1234561", "(030) 1234561", Some(true)),
    ("(030) 1234562", "+49 30 1234562", Some(true)),
    ("030/1234563", "0049 30 1234563", Some(true)),
    ("030 123-45-64", "+49 (0)30 1234564", Some(true)),
    ("0151 23456785", "+4915123456785", Some(true)),
    ("030\u{a0}1234566", "030\u{2011}1234566", Some(true)),
    ("+40 721 000 007", "0040721000007", Some(true)),
    ("+44 20 7946 0018", "+44 (0)20 7946 0018", Some(true)),
    ("030 1234569", "040 1234569", Some(false)),
    ("030 1234570", "+43 30 1234570", Some(false)),
    ("030 1234571", "+999 30 1234571", None),
    ("030 1234572", "call me", None),
];

#[tokio::test]
async fn numbers_are_found_in_every_form() {
    let app = CoreApp::start().await;
    let (admin, staff) = (app.admin(), app.staff());
    let path = format!("/v1/organizations/{}", app.home().id);
    let home = Answer::to(admin.request(Method::GET, &path)).await.json(200);
    let germany = json!({ "name": home["name"], "timezone": home["timezone"], "country": "DE" });
    Answer::to(admin.request(Method::PUT, &path).json(&germany)).await.json(200);
    let mut table = Table::default();
    for (stored, typed, found) in NUMBERS {
        let made = create(&staff, "Ana", "Pop", json!({ "phone": stored })).await.json(201);
        let Some(expected) = found else {
            let refused = create(&staff, "Ana", "Pop", json!({ "phone": typed })).await;
            let is_refused = is_for(&refused.refusal(422, "validation_failed"), "/phone");
            table.line(is_refused, (stored, typed, refused.status));
            continue;
        };
        let shown = made["phone"].as_str().map(str::trim) == Some(&*stored.replace('\u{a0}', " "));
        let is = list(&staff, "phone", typed).await.len() == 1;
        table.line(is == expected && shown, (stored, typed, is, &made["phone"]));
    }
    table.assert(12);
}

/// Names that sort before others.
const ORDER: [(&str, &str); 12] = [
    ("Álvarez", "Zimmer"),
    ("Östlund", "Zimmer"),
    ("Álvarez", "Östlund"),
    ("Alvarez", "Álvarez"),
    ("ahlers", "Álvarez"),
    ("de Boer", "Zimmer"),
    ("Groß", "Großmann"),
    ("Gross", "Groß"),
    ("Muller", "Müller"),
    ("Müller", "Muller-Lee"),
    ("O’Brien", "Oates"),
    ("Zimmer", "Σίσυφος"),
];

#[tokio::test]
async fn lists_sort_as_people_expect() {
    let app = CoreApp::start().await;
    let staff = app.staff();
    let mut names: Vec<&str> = ORDER.into_iter().flat_map(|(one, other)| [one, other]).collect();
    names.sort_unstable();
    names.dedup();
    for name in &names {
        create(&staff, "Ana", name, json!({})).await.json(201);
    }
    let listed = list(&staff, "sort", "last_name").await;
    let place = |name: &str| listed.iter().position(|listed| listed == name);
    let mut table = Table::default();
    for (one, other) in ORDER {
        let (one_at, other_at) = (place(one), place(other));
        table.line(one_at.is_some() && one_at < other_at, (one, other, &listed));
    }
    table.assert(12);
}

/// A moment as it is sent, and as it is kept; `None` if it is refused.
const MOMENTS: [(&str, Option<&str>); 12] = [
    ("2031-03-01T10:00:00Z", Some("2031-03-01T10:00:00Z")),
    ("2031-03-02T10:00:00.123456Z", Some("2031-03-02T10:00:00.123456Z")),
    ("2031-03-03T10:00:00.1234567Z", Some("2031-03-03T10:00:00.123456Z")),
    ("2031-03-04T10:00:00.000000999Z", Some("2031-03-04T10:00:00Z")),
    ("2031-03-05T12:00:00+02:00", Some("2031-03-05T10:00:00Z")),
    ("2031-03-05T23:59:60Z", Some("2031-03-06T00:00:00Z")),
    ("2031-03-07T23:59:60.5Z", Some("2031-03-08T00:00:00.500Z")),
    ("2031-03-09T10:00:00", None),
    ("2031-02-30T10:00:00Z", None),
    ("1899-12-31T23:59:59Z", None),
    ("9999-12-31T23:59:60Z", None),
    ("+12031-03-01T10:00:00Z", None),
];

#[tokio::test]
async fn moments_are_kept_in_microseconds() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let patient = app.patient_record().await.id;
    let mut table = Table::default();
    for (typed, kept) in MOMENTS {
        let ends = kept.map_or("2031-03-20T11:00:00Z".to_owned(), |kept| {
            let start: chrono::DateTime<chrono::Utc> = kept.parse().unwrap();
            (start + chrono::TimeDelta::minutes(45)).to_rfc3339()
        });
        let body = json!({
            "specialist_id": app.home().specialist_id, "patient_id": patient, "started_at": typed, "ended_at": ends,
        });
        let answer = Answer::to(admin.request(Method::POST, "/v1/appointments").json(&body)).await;
        let holds = match kept {
            Some(kept) => {
                let id = answer.json(201)["id"].clone();
                let read = admin.request(Method::GET, &format!("/v1/appointments/{id}"));
                let read = Answer::to(read).await.json(200);
                let at = |text: &str| text.parse::<chrono::DateTime<chrono::Utc>>().unwrap();
                [read, answer.json(201)].iter().all(|one| at(one["started_at"].as_str().unwrap()) == at(kept))
            }
            None => is_for(&answer.refusal(422, "validation_failed"), "/started_at"),
        };
        table.line(holds, (typed, kept, answer.body));
    }
    table.assert(12);
}

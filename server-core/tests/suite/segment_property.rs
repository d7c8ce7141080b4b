//! Random rules over 1,000 random patients: an evaluation finds the same members as a naive evaluation in Rust, and a
//! dry run counts them and those who are left out as missing.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use chrono::{DateTime, Days, Months, NaiveDate, TimeDelta, TimeZone as _, Utc};
use chrono_tz::Tz;
use restartix_sdk::core::types::PreviewSegment;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Executor as _};
use test_support::{CoreApp, granted};

use crate::{
    custom_field::field,
    form_submit::{asked, body, template},
    segment::{create, evaluate, evaluated},
};

const PATIENTS: usize = 1000;
const RULES: usize = 80;
const STATUSES: [&str; 6] = ["scheduled", "confirmed", "in_progress", "completed", "cancelled", "no_show"];
const TEXTS: [&str; 6] = ["Knee", "knee pain", "KNEE", "Café", "cafe", "none"];
const OPTIONS: [&str; 3] = ["left", "right", "both"];

/// Random numbers that are the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        // Constants of Knuth's MMIX; the low bits of the state are not random.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    fn rarely(&mut self) -> bool {
        self.below(3) == 0
    }
}

/// Patient with everything that rules read.
#[derive(Debug, Default)]
struct Person {
    id: i64,
    has_email: bool,
    /// Values of custom fields by key.
    values: BTreeMap<&'static str, Value>,
    /// Status and begin.
    appointments: Vec<(&'static str, DateTime<Utc>)>,
    /// Hours of the forms in the order of their submission, and `true` for a void one.
    forms: Vec<(Option<i64>, bool)>,
}

/// Clinic as the naive evaluation sees it.
struct Naive {
    zone: Tz,
    now: DateTime<Utc>,
    people: Vec<Person>,
    /// Keys of custom fields by id.
    keys: BTreeMap<i64, &'static str>,
    /// Members of the segment that rules may read.
    members: BTreeSet<i64>,
}

impl Naive {
    fn day(&self, text: &str) -> NaiveDate {
        let today = self.now.with_timezone(&self.zone).naive_local().date();
        let Some(distance) = text.strip_prefix("today") else { return text.parse().unwrap() };
        if distance.is_empty() {
            return today;
        }
        let (sign, rest) = distance.split_at(1);
        let (count, unit) = rest.split_at(rest.len() - 1);
        let count: u32 = count.parse().unwrap();
        match (sign, unit) {
            ("-", "d") => today - Days::new(count.into()),
            ("+", "d") => today + Days::new(count.into()),
            ("-", "m") => today - Months::new(count),
            _ => panic!("{text}"),
        }
    }

    fn of_day(&self, op: &str, at: NaiveDate, value: &str) -> bool {
        let day = self.day(value);
        match op {
            "equals" => at == day,
            "not_equals" => at != day,
            "less" => at < day,
            "less_or_equal" => at <= day,
            "greater" => at > day,
            "greater_or_equal" => at >= day,
            _ => panic!("{op}"),
        }
    }

    /// Returns the value of a subject; `None` if it is missing.
    fn value(&self, rule: &Value, person: &Person) -> Option<Value> {
        if let Some(id) = rule["custom_field"]["custom_field_id"].as_i64() {
            return person.values.get(self.keys[&id]).cloned();
        }
        if rule["attribute"].is_string() {
            return Some(json!(person.has_email));
        }
        if rule["form"].is_object() {
            let counting = person.forms.iter().rfind(|(_, void)| !void)?;
            return counting.0.map(Value::from);
        }
        let counting: Vec<&str> = match rule["appointments"]["statuses"].as_array() {
            Some(statuses) => statuses.iter().map(|status| status.as_str().unwrap()).collect(),
            None => STATUSES[..4].to_vec(),
        };
        let mut all: Vec<_> = person.appointments.iter().filter(|(status, _)| counting.contains(status)).collect();
        all.sort_by_key(|(_, at)| *at);
        let last = all.iter().rfind(|(_, at)| *at <= self.now);
        let next = all.iter().find(|(_, at)| *at > self.now);
        let at = |found: Option<&&(&str, DateTime<Utc>)>| {
            found.map(|(_, at)| json!(at.with_timezone(&self.zone).naive_local().date().to_string()))
        };
        match rule["appointments"]["measure"].as_str().unwrap() {
            "count" => Some(json!(all.len())),
            "last_at" => at(last),
            "next_at" => at(next),
            "last_status" => last.map(|(status, _)| json!(status)),
            measure => panic!("{measure}"),
        }
    }

    fn test(&self, op: &str, value: &Value, operand: &Value) -> bool {
        let folded = |text: &str| text.to_lowercase().replace('é', "e");
        match (value, operand) {
            (Value::Array(chosen), key) => chosen.contains(key),
            (Value::Number(value), Value::Number(operand)) => {
                let (value, operand) = (value.as_i64().unwrap(), operand.as_i64().unwrap());
                match op {
                    "equals" => value == operand,
                    "not_equals" => value != operand,
                    "less" => value < operand,
                    "less_or_equal" => value <= operand,
                    "greater" => value > operand,
                    "greater_or_equal" => value >= operand,
                    _ => panic!("{op}"),
                }
            }
            (Value::String(value), Value::String(operand)) if value.parse::<NaiveDate>().is_ok() => {
                self.of_day(op, value.parse().unwrap(), operand)
            }
            (Value::String(value), Value::String(operand)) => match op {
                "equals" => folded(value) == folded(operand),
                "not_equals" => folded(value) != folded(operand),
                "contains" => folded(value).contains(&folded(operand)),
                _ => panic!("{op}"),
            },
            (value, operand) => (value == operand) == (op == "equals"),
        }
    }

    /// Returns the result of a rule; `None` if it is unknown.
    fn result(&self, rule: &Value, person: &Person) -> Option<bool> {
        let parts = || rule["rules"].as_array().unwrap().iter().map(|part| self.result(part, person));
        let op = rule["op"].as_str().unwrap();
        match op {
            "and" if parts().any(|part| part == Some(false)) => Some(false),
            "and" => parts().all(|part| part.is_some()).then_some(true),
            "or" if parts().any(|part| part == Some(true)) => Some(true),
            "or" => parts().all(|part| part.is_some()).then_some(false),
            "not" => parts().next().unwrap().map(|part| !part),
            "is_member" => Some(self.members.contains(&person.id)),
            "is_missing" => Some(self.value(rule, person).is_none()),
            "is_present" => Some(self.value(rule, person).is_some()),
            _ => match self.value(rule, person) {
                None => (rule["missing"] == "include").then_some(true),
                Some(value) if op == "in" => {
                    Some(rule["values"].as_array().unwrap().iter().any(|one| self.test("equals", &value, one)))
                }
                Some(value) => Some(self.test(op, &value, &rule["value"])),
            },
        }
    }
}

/// Ids of what rules name.
struct Names {
    fields: BTreeMap<&'static str, i64>,
    form: i64,
    segment: i64,
}

impl Names {
    /// Returns a random condition.
    fn leaf(&self, random: &mut Random) -> Value {
        let ordered = ["equals", "not_equals", "less", "less_or_equal", "greater", "greater_or_equal"];
        let equal = &ordered[..2];
        let of = |key: &str| json!({ "custom_field_id": self.fields[key] });
        let mut rule = match random.below(12) {
            0 => json!({ "op": random.one(&ordered), "custom_field": of("weight"), "value": random.below(6) }),
            1 => json!({ "op": random.one(equal), "custom_field": of("smokes"), "value": random.rarely() }),
            2 => json!({ "op": random.one(&["equals", "not_equals", "contains"]), "custom_field": of("note"),
                         "value": random.one(&TEXTS) }),
            3 => json!({ "op": random.one(&ordered), "custom_field": of("seen"),
                         "value": random.one(&["today", "today-3d", "today+2d", "today-1m"]) }),
            4 => json!({ "op": "in", "custom_field": of("hand"), "values": [random.one(&OPTIONS[..2]), "both"] }),
            5 => json!({ "op": "contains", "custom_field": of("sides"), "value": random.one(&OPTIONS) }),
            6 => {
                return json!({ "op": random.one(&ordered), "appointments": { "measure": "count" },
                                "value": random.below(4) });
            }
            7 => json!({ "op": random.one(&ordered), "value": random.one(&["today", "today-2d", "today+1d"]),
                         "appointments": { "measure": random.one(&["last_at", "next_at"]) } }),
            8 => json!({ "op": random.one(equal), "value": random.one(&STATUSES),
                         "appointments": { "measure": "last_status", "statuses": STATUSES } }),
            9 => json!({ "op": random.one(&ordered), "value": random.below(6),
                         "form": { "form_template_id": self.form, "key": "hours" } }),
            10 => return json!({ "op": "is_member", "segment_id": self.segment }),
            _ => return json!({ "op": random.one(equal), "attribute": "has_email", "value": random.rarely() }),
        };
        match random.below(6) {
            0 => rule["missing"] = json!("include"),
            1 => {
                let whole = rule.as_object_mut().unwrap();
                whole.remove("value");
                whole.remove("values");
                rule["op"] = json!(random.one(&["is_missing", "is_present"]));
            }
            _ => {}
        }
        rule
    }

    /// Returns a random rule of at most so many levels.
    fn rule(&self, levels: usize, random: &mut Random) -> Value {
        match random.below(5) {
            _ if levels <= 1 => self.leaf(random),
            0 => json!({ "op": "not", "rules": [self.rule(levels - 1, random)] }),
            1 => self.leaf(random),
            kind => {
                let parts: Vec<Value> = (0..2 + random.below(2)).map(|_| self.rule(levels - 1, random)).collect();
                json!({ "op": if kind == 2 { "or" } else { "and" }, "rules": parts })
            }
        }
    }
}

/// Returns a random patient.
fn person(id: i64, now: DateTime<Utc>, random: &mut Random) -> Person {
    let mut person = Person { id, has_email: random.rarely(), ..Person::default() };
    let day =
        |days: usize| (now - TimeDelta::days(10) + TimeDelta::days(i64::try_from(days).unwrap())).naive_utc().date();
    let given: [(&'static str, Value); 6] = [
        ("weight", json!(random.below(6))),
        ("smokes", json!(random.rarely())),
        ("note", json!(random.one(&TEXTS))),
        ("seen", json!(day(random.below(20)).to_string())),
        ("hand", json!(random.one(&OPTIONS))),
        ("sides", OPTIONS.iter().filter(|_| random.rarely()).copied().collect()),
    ];
    for (key, value) in given {
        if !random.rarely() {
            person.values.insert(key, value);
        }
    }
    for place in 0..random.below(4) {
        // An hour of its own, and never just now.
        let hours = i64::try_from(random.below(20) * 12 + place).unwrap() - 120;
        person.appointments.push((random.one(&STATUSES), now + TimeDelta::hours(hours) + TimeDelta::minutes(31)));
    }
    for _ in 0..random.below(3) {
        let hours = if random.rarely() { None } else { Some(i64::try_from(random.below(6)).unwrap()) };
        person.forms.push((hours, random.rarely()));
    }
    person
}

/// Stores the patients; triggers and foreign keys would take most of the time.
async fn store(app: &CoreApp, people: &[Person], names: &Names) {
    let home = app.home().id;
    let specialist = app.home().specialist_id;
    let mut sql = String::from("set session_replication_role = replica;");
    for person in people {
        let id = person.id;
        write!(
            sql,
            "insert into patients (id, organization_id, uid, data_key_id, first_name, last_name, name_folded, name_sort,
                                   name_keys_version, indexes_version, email_encrypted)
             overriding system value
             select {id}, {home}, gen_random_uuid(), data_key_id, 'Random', 'Patient', name_folded, name_sort,
                    name_keys_version, indexes_version, case when {} then '\\x00'::bytea end
             from patients where organization_id = {home} order by id limit 1;
             insert into profiles (organization_id, entity, patient_id) values ({home}, 'patient', {id});",
            person.has_email
        )
        .unwrap();
        for (key, value) in &person.values {
            let (column, literal) = match value {
                Value::Number(number) => ("number_value", number.to_string()),
                Value::Bool(truth) => ("boolean_value", truth.to_string()),
                Value::Array(_) => ("choices_value", format!("array(select jsonb_array_elements_text('{value}'))")),
                Value::String(text) if *key == "seen" => ("date_value", format!("'{text}'")),
                other => ("text_value", format!("'{}'", other.as_str().unwrap())),
            };
            write!(
                sql,
                "insert into profile_values (organization_id, uid, entity, patient_id, custom_field_id, key,
                                             field_version, phi, data_key_id, {column}, changed_in)
                 select {home}, gen_random_uuid(), 'patient', {id}, {}, '{key}', 1, false, data_key_id, {literal}, 1
                 from patients where id = {id};",
                names.fields[key]
            )
            .unwrap();
        }
        for (status, at) in &person.appointments {
            let at = at.to_rfc3339();
            // Of a specialist of its own each, so that none overlaps another.
            write!(
                sql,
                "insert into appointments (organization_id, status, started_at, ended_at, block, specialist_id,
                                           patient_id)
                 values ({home}, '{status}', '{at}', '{at}'::timestamptz + interval '1 minute',
                         tstzrange('{at}', '{at}'::timestamptz + interval '1 minute'), {specialist} + {id}, {id});"
            )
            .unwrap();
        }
        for (place, (hours, void)) in person.forms.iter().enumerate() {
            let submitted = format!("now() - interval '10 days' + interval '{place} days'");
            write!(
                sql,
                "with form as (
                     insert into forms (organization_id, uid, patient_id, data_key_id, form_template_id,
                                        form_template_version, name, language, status, document_encrypted, submitted_at)
                     select {home}, gen_random_uuid(), {id}, data_key_id, {form}, 1, 'Form', 'en', 'submitted', '\\x00',
                            {submitted}
                     from patients where id = {id} returning id, data_key_id),
                 void as (
                     insert into form_voids (organization_id, form_id, uid, data_key_id, reason_encrypted)
                     select {home}, id, gen_random_uuid(), data_key_id, '\\x00' from form where {void})
                 insert into form_answers (organization_id, form_id, patient_id, form_template_id, key, is_score,
                                           number_value)
                 select {home}, id, {id}, {form}, 'hours', false, {number} from form where {answered};",
                form = names.form,
                number = hours.unwrap_or_default(),
                answered = hours.is_some(),
            )
            .unwrap();
        }
    }
    app.database.superuser().await.execute(AssertSqlSafe(sql)).await.unwrap();
}

#[tokio::test]
async fn random_rules_find_whom_a_naive_evaluation_finds() {
    let app = CoreApp::builder().env("RATE_LIMIT_SCALE", "100").start().await;
    let admin = app.admin();
    let options: Vec<Value> = OPTIONS.iter().map(|key| json!({ "key": key, "label": key })).collect();
    let mut fields = BTreeMap::new();
    for (key, definition) in [
        ("weight", json!({ "field_type": "integer" })),
        ("smokes", json!({ "field_type": "boolean" })),
        ("note", json!({ "field_type": "text" })),
        ("seen", json!({ "field_type": "date" })),
        ("hand", json!({ "field_type": "single_choice", "options": options })),
        ("sides", json!({ "field_type": "multiple_choice", "options": options, "validation": { "min_selected": 0 } })),
    ] {
        fields.insert(key, field(&admin, "patient", key, definition).await.id);
    }
    let form = template(&admin, &[asked("hours", "integer", false)], &[]).await.id;
    let first = app.patient_create(&admin, "Ann", "First").await.id;
    let email = json!({ "op": "equals", "attribute": "has_email", "value": true });
    let names = Names { fields, form, segment: create(&admin, email).await.id };
    let zone: String = sqlx::query_scalar("select timezone from organizations where id = $1")
        .bind(app.home().id)
        .fetch_one(&mut app.owner().await)
        .await
        .unwrap();
    let zone: Tz = zone.parse().unwrap();
    // Whole minutes, so that no appointment begins while rules are evaluated.
    let now = Utc.timestamp_opt(Utc::now().timestamp() / 60 * 60, 0).unwrap();
    let mut random = Random(7);
    let mut people = vec![Person { id: first, ..Person::default() }];
    people.extend((0..PATIENTS - 1).map(|n| person(1_000_000 + i64::try_from(n).unwrap(), now, &mut random)));
    store(&app, &people[1..], &names).await;
    evaluate(&admin, names.segment).await;
    let members = people.iter().filter(|person| person.has_email).map(|person| person.id).collect();
    let keys = names.fields.iter().map(|(key, id)| (*id, *key)).collect();
    let naive = Naive { zone, now, people, keys, members };
    let mut found_some = 0;
    for _ in 0..RULES {
        let rule = names.rule(4, &mut random);
        let results: Vec<_> = naive.people.iter().map(|person| (person.id, naive.result(&rule, person))).collect();
        let of = |wanted: Option<bool>| results.iter().filter(move |(_, result)| *result == wanted);
        let expected: BTreeSet<i64> = of(Some(true)).map(|(id, _)| *id).collect();
        let preview: PreviewSegment = body(json!({ "rule": rule }));
        let preview = granted(admin.segment_preview().body(preview).send().await, 200);
        let counted = (preview.member_count, preview.missing_count, preview.patient_count);
        let count = |number: usize| i64::try_from(number).unwrap();
        assert_eq!(counted, (count(expected.len()), count(of(None).count()), count(PATIENTS)), "{rule}");
        let id = evaluated(&admin, rule.clone()).await;
        let stored: Vec<i64> = sqlx::query_scalar("select patient_id from segment_members where segment_id = $1")
            .bind(id)
            .fetch_all(&mut app.owner().await)
            .await
            .unwrap();
        assert_eq!(stored.into_iter().collect::<BTreeSet<i64>>(), expected, "{rule}");
        granted(admin.segment_delete().segment_id(id).send().await, 204);
        found_some += usize::from(!expected.is_empty() && expected.len() < PATIENTS);
    }
    assert!(found_some > RULES / 2, "most rules find some patients and not all: {found_some}");
}

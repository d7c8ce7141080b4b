//! An administrator passes ids of another clinic wherever an operation takes an id: nothing is found, shown or changed.

use std::{borrow::Cow, collections::BTreeMap};

use reqwest::Method;
use restartix_sdk::core::types::{
    AppointmentTemplate, ConnectUser, CreateApiKey, CreateAppointmentSeries, CreatePatient, ExportState,
    HoldAppointment, MemberRole, Patient, Scope,
};
use serde_json::{Value, json};
use test_support::{Answer, Contents, CoreApp, Fixture, Location, Operation, Parameter, granted, in_days};
use uuid::Uuid;

use super::{
    fixture::{Surroundings, World, impersonating, not_found, planned},
    granted_to,
    plain::make,
    segment::rule_naming,
    stores::Stores,
};
use crate::{
    export::wanted,
    export_file::ended,
    form::opened,
    form_template::{create, definition, scale},
    form_template_publish::publish,
    segment::everybody,
    waitlist::{settled, wait, wish},
};

/// Parameters that refer to no record.
const PLAIN: [&str; 16] = [
    "page",
    "page_size",
    "sort",
    "archived",
    "bookable",
    "from",
    "to",
    "status",
    "dry_run",
    "timezone",
    "scope",
    "on_conflict",
    "entity",
    "version",
    "language",
    "form_template_version",
];

/// Returns true if the parameter refers to no record; the number of an identity document is a value, like a name.
fn is_plain(parameter: &Parameter) -> bool {
    PLAIN.contains(&parameter.name.as_str()) || parameter.pointer.ends_with("/national_id")
}

/// Text in every name of the other clinic.
const MARK: &str = "Hidden";

/// Records of the other clinic.
struct Foreign {
    organization_id: i64,
    slug: String,
    user_id: i64,
    patient: Patient,
    specialist_id: i64,
    appointment_id: i64,
    appointment_uid: Uuid,
    series_id: i64,
    template: AppointmentTemplate,
    hold_id: i64,
    waitlist_entry_id: i64,
    api_key_id: i64,
    impersonation_id: i64,
    invitation_id: i64,
    job_id: Uuid,
    export_id: Uuid,
    form_id: i64,
    segment_id: i64,
    /// Records of nouns that can be created from their example, by the parameter that refers to them.
    plain: BTreeMap<String, Value>,
}

impl Foreign {
    async fn new(app: &CoreApp, all: &[Operation]) -> Self {
        let (admin, away) = (app.other_admin(), app.away());
        let name = |what: &str| format!("{MARK} {what}");
        let record = CreatePatient {
            email: Some("hidden@example.org".to_owned()),
            phone: Some("+49 555 0199".to_owned()),
            national_id: Some("HIDDEN777".to_owned()),
            ..CoreApp::new_patient(MARK, MARK)
        };
        let patient = granted(admin.patient_create().body(record).send().await, 201);
        app.patient_link(&admin, patient.id, &away.patient).await;
        let specialist_id = app.specialist_create(&admin, &name("specialist")).await.id;
        let mut booking = CoreApp::new_appointment(specialist_id, patient.id, in_days(2, 9));
        booking.title = Some(name("title"));
        let appointment = granted(admin.appointment_create().body(booking).send().await, 201);
        let template = CoreApp::new_appointment_template(&name("template"));
        let template = app.appointment_template_create(&admin, template).await;
        app.works_always(specialist_id).await;
        let hold = HoldAppointment {
            specialist_id,
            patient_id: Some(patient.id),
            template_id: None,
            started_at: in_days(3, 9),
        };
        let hold_id = granted(admin.appointment_hold_create().body(hold).send().await, 201).id;
        let repeated = CoreApp::new_series(specialist_id, patient.id, in_days(4, 9), CoreApp::daily(2));
        let repeated = CreateAppointmentSeries { title: Some(name("series")), ..repeated };
        let series_id = granted(admin.appointment_series_create().body(repeated).send().await, 201).series.id;
        let wish = wish(specialist_id, Some(patient.id), in_days(4, 9), in_days(4, 10));
        let waitlist_entry_id = wait(&admin, wish).await.id;
        let key = CreateApiKey { expires_at: None, name: name("key"), scopes: vec![Scope::PatientsRead] };
        let key = granted(admin.api_key_create().organization_id(away.id).body(key).send().await, 201);
        let begun = admin.patient_impersonate().patient_id(patient.id).body(impersonating()).send().await;
        let invited = ConnectUser {
            email: Some("hidden-invited@example.org".to_owned()),
            user_id: None,
            role: MemberRole::Staff,
        };
        let invited = granted(admin.member_connect().organization_id(away.id).body(invited).send().await, 201);
        let gone = app.patient_create(&admin, MARK, "Gone").await.id;
        let form = create(&admin, &name("form"), &definition(&[scale("pain")])).await;
        publish(&admin, &form).await;
        let form_id = opened(&admin, form.id, patient.id).await.id;
        let export = wanted(json!({ "patients": { "columns": ["id"] } }));
        let export = granted(admin.export_job_create().body(export).send().await, 202);
        let export = ended(&admin, export.id, ExportState::Succeeded).await;
        let mut foreign = Self {
            organization_id: away.id,
            slug: away.slug.clone(),
            user_id: away.specialist.user_id,
            specialist_id,
            appointment_id: appointment.id,
            appointment_uid: appointment.uid,
            series_id,
            template,
            hold_id,
            waitlist_entry_id,
            api_key_id: key.api_key.id,
            impersonation_id: granted(begun, 201).impersonation.id,
            invitation_id: invited.id,
            job_id: planned(&admin, gone).await,
            export_id: export.id,
            form_id,
            segment_id: crate::segment::create(&admin, everybody()).await.id,
            patient,
            plain: BTreeMap::new(),
        };
        for (operation, parameter) in all.iter().flat_map(|all| all.parameters.iter().map(move |one| (all, one))) {
            let name = parameter.name.as_str();
            let id = name.strip_suffix('s').filter(|id| id.ends_with("_id")).unwrap_or(name);
            if foreign.value(&operation.id, name).is_none()
                && let Some(made) = make(&admin, all, id, MARK).await
            {
                foreign.plain.insert(name.to_owned(), made["id"].clone());
            }
        }
        foreign
    }

    /// Returns the id of the other clinic's record that a parameter of this name refers to.
    fn value(&self, operation: &str, name: &str) -> Option<Value> {
        Some(match name {
            "slug" if operation == "appointment_template_find" => json!(self.template.slug),
            "template_id" | "appointment_template_id" | "appointment_template_ids" => json!(self.template.id),
            "hold_id" => json!(self.hold_id),
            "waitlist_entry_id" => json!(self.waitlist_entry_id),
            "organization_id" => json!(self.organization_id),
            "clerk_organization_id" => json!("org_hidden"),
            "slug" => json!(self.slug),
            "user_id" | "actor_user_id" => json!(self.user_id),
            "invitation_id" => json!(self.invitation_id),
            "patient_id" | "merged_patient_id" => json!(self.patient.id),
            "specialist_id" | "specialist_ids" => json!(self.specialist_id),
            "appointment_id" => json!(self.appointment_id),
            "appointment_series_id" => json!(self.series_id),
            // No request has the id of an appointment.
            "uid" | "request_id" => json!(self.appointment_uid),
            "api_key_id" => json!(self.api_key_id),
            "impersonation_id" => json!(self.impersonation_id),
            "job_id" if operation == "export_job_get" => json!(self.export_id),
            "job_id" => json!(self.job_id),
            "entity_id" => json!(self.patient.id.to_string()),
            "form_id" => json!(self.form_id),
            "segment_id" => json!(self.segment_id),
            "search" => json!(MARK),
            "email" => json!("hidden@example.org"),
            "phone" => json!("+49 555 0199"),
            "national_id" => json!("HIDDEN777"),
            _ => return self.plain.get(name).cloned(),
        })
    }

    fn assert_hidden(&self, what: &str, answer: &Answer) {
        let uids = [self.patient.uid.to_string(), self.appointment_uid.to_string()];
        let texts = [MARK, "hidden@example.org", self.slug.as_str()];
        for text in texts.into_iter().chain(uids.iter().map(String::as_str)) {
            assert!(!answer.body.contains(text), "{what}: the answer tells of the other clinic: {}", answer.body);
        }
    }
}

/// Result of a request that refers to a foreign record.
enum Outcome {
    /// Refused, with this status and code.
    Refused(u16, Cow<'static, str>),
    /// The body is invalid: the field refers to no record.
    Unknown,
    /// The list is empty.
    Nothing,
    /// The table has no row.
    NoRows,
}

fn outcome(operation: &Operation, parameter: &Parameter) -> Outcome {
    match (operation.id.as_str(), parameter.name.as_str(), parameter.location) {
        // A clinic finds by id only users who have been its members.
        ("member_connect", "user_id", Location::Body) => Outcome::Refused(404, "user_not_found".into()),
        ("me_organization_switch", _, _) => Outcome::Refused(403, "not_a_member".into()),
        // For superadmins.
        ("organization_create", _, _) => Outcome::Refused(403, "permission_denied".into()),
        ("appointment_template_find", _, _) | ("specialist_availability_get", "template_id", _) => {
            Outcome::Refused(404, "appointment_template_not_found".into())
        }
        // The first answers of a form depend on the template.
        ("patient_prefill_get", "form_template_id", _) => Outcome::Refused(422, "validation_failed".into()),
        // The current offer, if any, is for another appointment.
        ("waitlist_entry_accept", "appointment_id", _) => Outcome::Refused(409, "offer_expired".into()),
        // Its own code is that of the patient.
        ("segment_explain", "segment_id", _) => Outcome::Refused(404, "segment_not_found".into()),
        ("segment_explain", "patient_id", _) => Outcome::Refused(404, "patient_not_found".into()),
        (_, "organization_id" | "slug", Location::Path) => Outcome::Refused(404, "organization_not_found".into()),
        (id, _, Location::Path) => Outcome::Refused(404, not_found(id)),
        ("calendar_search", _, _) | (_, _, Location::Query) => Outcome::Nothing,
        ("csv_export", name, _) if !["form_template_id", "segment_id"].contains(&name) => Outcome::NoRows,
        (_, _, Location::Body) => Outcome::Unknown,
    }
}

#[tokio::test]
async fn what_is_another_clinics_is_not_there_in_the_matrix() {
    let around = Surroundings::start().await;
    let world = World::start(&around).await;
    let (app, foreign) = (&world.app, Foreign::new(&world.app, &world.operations).await);
    settled(app).await;
    let mut stores = Stores::of(app).await;
    let mut tried = 0;
    // The body of the second is that of the first.
    let same = |operation: &&Operation| operation.id == "export_job_create";
    for operation in world.operations.iter().filter(|operation| !operation.public && !same(operation)) {
        // A refused request changes nothing, so one fixture serves them all.
        let home = world.fixture(&operation.id).await;
        // Superadmins are above clinics.
        let name = match granted_to(&operation.id, &["admin", "specialist", "patient", "superadmin"]) {
            "superadmin" => "admin",
            name => name,
        };
        let asker = world.asker(name).await;
        let mut before = stores.take().await;
        for parameter in operation.parameters.iter().filter(|parameter| !is_plain(parameter)) {
            let what = format!("{} with {}", operation.id, parameter.pointer);
            let value = foreign.value(&operation.id, &parameter.name).unwrap_or_else(|| {
                panic!(
                    "{what}: say in matrix/foreign.rs what of another clinic's it could name, or that it names nothing"
                )
            });
            let outcome = outcome(operation, parameter);
            let fixture = match parameter.name.as_str() {
                // The hold determines the specialist and the patient, so the body must name nothing else.
                "hold_id" => Fixture::default().body(json!({ "hold_id": value })),
                // A login is a user or an address.
                "user_id" if operation.id == "patient_onboard" => {
                    let patient = json!({ "first_name": "Ann", "last_name": "Onboarded" });
                    Fixture::default().body(json!({ "patient": patient, "login": { "user_id": value } }))
                }
                _ if operation.id == "csv_export" => world.export_naming(parameter, &value).await,
                _ => match rule_naming(&parameter.pointer, &value) {
                    Some(rule) => {
                        let mut body = home.json().cloned().unwrap_or_default();
                        body["rule"] = rule;
                        home.clone().body(body)
                    }
                    None => home.clone().naming(parameter, &value),
                },
            };
            if operation.id == "csv_export" {
                // The fixture may have made a template.
                before = stores.take().await;
            }
            let answer = Answer::to(asker.request(operation, &fixture)).await;
            let after = stores.take().await;
            foreign.assert_hidden(&what, &answer);
            // Tables that must be unchanged.
            let mut kept: fn(&str) -> bool = |_| true;
            match outcome {
                Outcome::Refused(status, code) => drop(answer.refusal(status, &code)),
                Outcome::Unknown => {
                    let refusal = answer.refusal(422, "validation_failed");
                    assert_eq!(refusal.fields(), [(parameter.pointer.as_str(), "unknown_reference")], "{what}");
                }
                Outcome::Nothing => {
                    let page = answer.json(200);
                    if operation.id.starts_with("calendar_") {
                        assert_eq!(page["entries"], json!([]), "{what}");
                    } else {
                        assert_eq!(operation.method, Method::GET, "{what}: only lists are filtered");
                        assert_eq!((&page["data"], &page["meta"]["total"]), (&json!([]), &json!(0)), "{what}");
                    }
                    // The search itself is in the audit trail.
                    kept = |table| !table.starts_with("public.audit_");
                }
                Outcome::NoRows => {
                    assert_eq!((answer.status.as_u16(), answer.body.lines().count()), (200, 1), "{what}");
                    kept = |table| !table.starts_with("public.audit_") && table != "public.exports";
                }
            }
            let of = |contents: &Contents| {
                let mut contents = contents.clone();
                contents.retain(|(table, _), _| kept(table));
                contents
            };
            assert_eq!(of(&after), of(&before), "{what}: something was changed");
            before = after;
            tried += 1;
        }
    }
    assert!(tried > 40, "only {tried} requests named something foreign");
}

//! Operations on a clinic of 40,000 appointments and 10,000 patients read about as many pages of the database as on one
//! of a tenth of that size. Pages don't depend on the speed of the machine; `cargo xtask bench --scale` measures
//! times.

use std::fmt::Write as _;

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::Method;
use restartix_sdk::core::types::CreateAppointment;
use sqlx::{AssertSqlSafe, Executor as _};
use test_support::{Answer, CoreApp, granted, in_days};

/// Appointments and patients of the clinic at the two measurements.
const SIZES: [(i64, i64); 2] = [(4_000, 1_000), (40_000, 10_000)];
/// Pages that an operation may read in the larger clinic, as a multiple of those in the smaller one, and besides: trees
/// of indexes grow by a level.
const GROWTH: (f64, f64) = (1.5, 50.0);
/// Requests before one is counted: PostgreSQL chooses a generic plan, if at all, after five.
const WARM: u64 = 8;

/// Fills the clinic up to these numbers: 20 appointments of different patients a day, the latest 25 days ahead, the
/// others further and further back; a twentieth is cancelled, and none of them is held. Each has an audit row.
pub(crate) async fn fill(app: &CoreApp, (from, to): (i64, i64), patients: i64) {
    let (home, specialist) = (app.home().id, app.home().specialist_id);
    let sql = format!(
        "set session_replication_role = replica;
         insert into patients (organization_id, uid, data_key_id, first_name, last_name, name_folded, name_sort,
                               name_keys_version, indexes_version)
         select p.organization_id, gen_random_uuid(), p.data_key_id, p.first_name, 'Lee' || n, p.name_folded || n,
                p.name_sort || convert_to(n::text, 'UTF8'), p.name_keys_version, p.indexes_version
         from (select * from patients where organization_id = {home} order by id limit 1) p,
              generate_series((select count(*) + 1 from patients where organization_id = {home}), {patients}) n;
         insert into appointments (organization_id, status, started_at, ended_at, block, specialist_id, patient_id)
         select {home}, case when n % 20 = 0 then 'cancelled' when start > now() then 'scheduled' else 'completed' end,
                start, start + interval '30 minutes', tstzrange(start, start + interval '30 minutes'),
                case when n % 4 = 0 then {specialist} else s.id end, p.id
         from generate_series({from}, {to} - 1) n
         join lateral (select date_trunc('day', now()) + interval '25 days' - n / 20 * interval '1 day'
                              + n % 20 * interval '30 minutes' as start) t on true
         join lateral (select id from specialists where organization_id = {home} order by id desc limit 1) s on true
         join (select id, row_number() over (order by id) as number from patients where organization_id = {home}) p
             on p.number = 1 + n % {patients};
         insert into audit_log (id, occurred_at, organization_id, actor_kind, action, entity_type, entity_id, operation_id,
                                request_id, outcome)
         select gen_random_uuid(), now() - n * interval '1 second', {home}, 'system', 'created', 'appointment', n::text,
                'appointment_create', gen_random_uuid()::text, 'succeeded'
         from generate_series({from}, {to} - 1) n;
         reset session_replication_role;"
    );
    app.database.superuser().await.execute(AssertSqlSafe(sql)).await.unwrap();
    app.database.vacuum(&["appointments", "patients"]).await;
}

#[tokio::test]
async fn no_operation_reads_in_proportion_to_the_clinic() {
    let app = CoreApp::builder().counted().start().await;
    let (admin, staff, specialist) = (app.admin(), app.staff(), app.home().specialist_id);
    let other = granted(admin.specialist_create().body(CoreApp::new_specialist("Dr. Other")).send().await, 201).id;
    app.works_always(specialist).await;
    let patient = app.patient_create(&staff, "Ann", "Lee").await.id;
    let mut statements = app.database.statements().await;

    let day = |days: u64| in_days(days, 0).format("%Y-%m-%dT%H:%M:%SZ").to_string();
    let gets = [
        ("first page", &staff, "/v1/appointments".to_owned()),
        ("latest first", &staff, "/v1/appointments?sort=-started_at".to_owned()),
        ("of a specialist", &staff, format!("/v1/appointments?specialist_id={other}")),
        ("of a patient", &staff, format!("/v1/appointments?patient_id={patient}")),
        ("cancelled", &staff, "/v1/appointments?status=cancelled".to_owned()),
        ("held", &staff, "/v1/appointments?status=held".to_owned()),
        ("of a week", &staff, format!("/v1/appointments?from={}&to={}", day(0), day(7))),
        ("from today", &staff, format!("/v1/appointments?from={}", day(0))),
        ("page 30", &staff, "/v1/appointments?page=30".to_owned()),
        ("own", &app.specialist(), "/v1/appointments".to_owned()),
        ("availability", &staff, format!("/v1/specialists/{specialist}/availability?from={}&to={}", day(1), day(22))),
        ("calendar", &staff, format!("/v1/calendar?from={}&to={}", day(0), day(1))),
        ("patients", &staff, "/v1/patients".to_owned()),
        ("newest patients", &staff, "/v1/patients?sort=-created_at".to_owned()),
    ];
    let mut read: Vec<(&str, Vec<(f64, String)>)> = Vec::new();
    let mut from = 0;
    for ((appointments, patients), booked) in SIZES.into_iter().zip([0, 20]) {
        fill(&app, (from, appointments), patients).await;
        from = appointments;
        let mut note = |name, work| match read.iter_mut().find(|(known, _)| *known == name) {
            Some((_, sizes)) => sizes.push(work),
            None => read.push((name, vec![work])),
        };
        for (name, actor, path) in &gets {
            for request in 0..=WARM {
                if request == WARM {
                    statements.reset().await;
                }
                let answer = Answer::to(actor.request(Method::GET, path)).await;
                assert_eq!(answer.status, 200, "{name}: {}", answer.body);
            }
            note(*name, (statements.work().await.pages, statements.described().await));
        }
        for request in 0..=WARM {
            statements.reset().await;
            let body = CoreApp::new_appointment(specialist, patient, in_days(40 + booked + request, 9));
            granted(staff.appointment_create().body(body).send().await, 201);
        }
        note("booking", (statements.work().await.pages, statements.described().await));
    }
    let (factor, besides) = GROWTH;
    let mut grown = String::new();
    for (name, sizes) in &read {
        let [(small, before), (large, after)] = &sizes[..] else { panic!("{name} is measured in both sizes") };
        // PostgreSQL counts pages.
        assert!(small.min(*large) >= 3.0, "{name}: {small} and {large} pages");
        if *large > small * factor + besides {
            writeln!(grown, "{name}: {small} pages, later {large}:\n{before}\n\n{after}").unwrap();
        }
    }
    assert!(grown.is_empty(), "read more pages the larger the clinic is:\n{grown}");
}

#[tokio::test]
async fn a_long_list_says_that_its_total_is_not_exact_and_can_be_read_to_its_end() {
    let app = CoreApp::start().await;
    let staff = app.staff();
    app.patient_create(&staff, "Ann", "Lee").await;
    fill(&app, (0, 1_120), 10).await;
    let list = async |page: i32| granted(staff.appointment_list().page(page).page_size(100).send().await, 200);
    let (mut seen, mut totals) = (Vec::new(), Vec::new());
    for number in 1.. {
        let page = list(number).await;
        seen.extend(page.data.iter().map(|appointment| appointment.id));
        totals.push((page.meta.total, page.meta.total_is_exact));
        if i64::from(number) >= page.meta.total_pages {
            break;
        }
    }
    let (bounded, counted) = totals.split_at(2);
    assert_eq!(bounded, [(250, false); 2]);
    let next_pages = (3..=11).map(|page| (page * 100 + 1, false));
    assert_eq!(counted, next_pages.chain([(1_120, true)]).collect::<Vec<_>>());
    let all = seen.len();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!((all, seen.len()), (1_120, 1_120));
    // Past the end, the total is known.
    let past = list(13).await;
    assert_eq!((past.data.len(), past.meta.total, past.meta.total_is_exact), (0, 1_120, true));
}

#[tokio::test]
async fn a_range_finds_the_longest_appointment_that_reaches_into_it() {
    let app = CoreApp::start().await;
    let (staff, specialist) = (app.staff(), app.home().specialist_id);
    let patient = app.patient_create(&staff, "Ann", "Lee").await.id;
    let (start, end) = (in_days(2, 9), in_days(3, 9));
    let body = CreateAppointment { ended_at: end, ..CoreApp::new_appointment(specialist, patient, start) };
    let booked = granted(staff.appointment_create().body(body).send().await, 201);
    let found = async |from: DateTime<Utc>| {
        let list = staff.appointment_list().from(from).to(end + TimeDelta::hours(1)).send().await;
        granted(list, 200).data.into_iter().map(|appointment| appointment.id).collect::<Vec<_>>()
    };
    assert_eq!(found(end - TimeDelta::seconds(1)).await, [booked.id]);
    assert_eq!(found(end).await, [0; 0]);
    let longer =
        format!("update appointments set started_at = started_at - interval '1 second' where id = {}", booked.id);
    let refused = app.owner().await.execute(AssertSqlSafe(longer)).await.unwrap_err();
    assert_eq!(refused.as_database_error().and_then(|error| error.constraint()), Some("appointments_duration_check"));
}

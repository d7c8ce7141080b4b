//! Ceilings of a request that do not depend on the speed of the machine: round trips, wake-ups of PostgreSQL, statements that it
//! plans, pages that it reads, and memory that the server allocates.

use std::fmt::Write as _;

use sqlx::{Executor as _, PgConnection};
use test_support::{CoreApp, Kind, granted, in_days};

const FILE: &str = "server-core/tests/suite/ceiling.txt";
const CEILINGS: &str = include_str!("ceiling.txt");

/// Requests before the counted ones: they prepare statements and fill caches, and PostgreSQL decides for a generic plan.
const WARM: u32 = 12;
/// Requests that are counted. What happens beside them in the background is divided by this number.
const COUNTED: u32 = 40;
/// Share of a ceiling that a request may exceed it by, e.g. as the length of an id differs from run to run.
const SLACK: f64 = 0.05;
/// Share of a ceiling below which it is to be lowered, so that a later step back is seen.
const IDLE: f64 = 0.75;

/// Counters at a time: bytes that the server has allocated, statements that PostgreSQL has planned, pages it has read.
#[derive(Clone, Copy)]
struct Counters([f64; 3]);

impl Counters {
    async fn now(app: &CoreApp, database: &mut PgConnection) -> Self {
        let sql = "select coalesce(sum(plans), 0)::double precision,
                          coalesce(sum(shared_blks_hit + shared_blks_read) filter (where toplevel), 0)::double precision
                   from pg_stat_statements
                   where dbid = (select oid from pg_database where datname = current_database())
                     and userid = 'restartix_app'::regrole";
        let (plans, pages) = sqlx::query_as::<_, (f64, f64)>(sql).fetch_one(database).await.unwrap();
        let allocated = app.server.metric("memory_allocated_bytes_total").await;
        assert!(allocated > 0.0, "the server counts what it allocates");
        Self([allocated / 1024.0, plans, pages])
    }

    fn since(self, before: Self) -> [f64; 3] {
        std::array::from_fn(|index| self.0[index] - before.0[index])
    }
}

/// Cost of one request: round trips, wake-ups, kilobytes, plans, pages.
type Cost = [f64; 5];

async fn cost(app: &CoreApp, database: &mut PgConnection, mut request: impl AsyncFnMut()) -> Cost {
    for _ in 0..WARM {
        request().await;
    }
    // The metrics are asked for over HTTP, which allocates, too.
    let empty = Counters::now(app, database).await;
    let before = Counters::now(app, database).await;
    app.proxy().listen();
    for _ in 0..COUNTED {
        request().await;
    }
    let said = app.proxy().said();
    let after = Counters::now(app, database).await;
    let own = |trip: &&test_support::Trip| trip.user == Kind::Core.app() && !trip.background();
    let wakeups = said.0.iter().filter(own).count();
    let trips = said.0.iter().filter(own).filter(|trip| trip.awaited()).count();
    let [asking, ..] = before.since(empty);
    let [allocated, plans, pages] = after.since(before);
    let each = |total: f64| total / f64::from(COUNTED);
    let count = |number: usize| f64::from(u32::try_from(number).unwrap());
    [each(count(trips)), each(count(wakeups)), each(allocated - asking), each(plans), each(pages)]
}

fn ceilings() -> Vec<(&'static str, Cost)> {
    let lines = CEILINGS.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let mut words = line.split_whitespace();
            let name = words.next().unwrap();
            let numbers: Vec<f64> = words.map(|word| word.parse().unwrap()).collect();
            (name, numbers.try_into().unwrap_or_else(|_| panic!("five numbers: {line}")))
        })
        .collect()
}

#[tokio::test]
async fn requests_stay_below_their_ceilings() {
    let app = CoreApp::builder().proxied().env("DB_POOL_MIN", "1").env("DB_POOL_MAX", "1").start().await;
    let mut database = app.database.superuser().await;
    database.execute("create extension pg_stat_statements").await.unwrap();
    let (staff, specialist) = (app.staff(), app.home().specialist_id);
    let patient = app.patient_create(&staff, "Ann", "Lee").await.id;
    let mut first = None;
    for day in 1..=30 {
        let mut body = CoreApp::new_appointment(specialist, patient, in_days(day, 9));
        body.title = Some("Knee".to_owned());
        let made = granted(staff.appointment_create().body(body).send().await, 201);
        first.get_or_insert(made.id);
    }
    let first = first.unwrap();
    database.execute("vacuum (analyze)").await.unwrap();

    let mut measured = Vec::new();
    let get = async || drop(granted(staff.appointment_get().appointment_id(first).send().await, 200));
    measured.push(("appointment_get", cost(&app, &mut database, get).await));
    let list = async || drop(granted(staff.appointment_list().send().await, 200));
    measured.push(("appointment_list", cost(&app, &mut database, list).await));
    let mut day = 40;
    let create = async || {
        day += 1;
        let body = CoreApp::new_appointment(specialist, patient, in_days(day, 9));
        drop(granted(staff.appointment_create().body(body).send().await, 201));
    };
    measured.push(("appointment_create", cost(&app, &mut database, create).await));
    let patient_get = async || drop(granted(staff.patient_get().patient_id(patient).send().await, 200));
    measured.push(("patient_get", cost(&app, &mut database, patient_get).await));

    let mut text = String::from(
        "# Ceilings of one request: awaited round trips, wake-ups of PostgreSQL, kilobytes that the server allocates,\n\
         # statements that PostgreSQL plans, pages that it reads. A request above a ceiling costs more than before; one far\n\
         # below it is to be lowered.\n",
    );
    for (name, numbers) in &measured {
        let numbers: Vec<String> = numbers.iter().map(|number| format!("{number:.1}")).collect();
        writeln!(text, "{name} {}", numbers.join(" ")).unwrap();
    }
    let ceilings = ceilings();
    let names = |of: &[(&str, Cost)]| of.iter().map(|(name, _)| (*name).to_owned()).collect::<Vec<_>>();
    assert_eq!(names(&measured), names(&ceilings), "write to {FILE}:\n{text}");
    for ((name, numbers), (_, ceiling)) in measured.iter().zip(&ceilings) {
        for (what, (number, ceiling)) in
            ["round trips", "wake-ups", "kilobytes", "plans", "pages"].iter().zip(numbers.iter().zip(ceiling))
        {
            assert!(
                *number <= ceiling * (1.0 + SLACK) + 0.1,
                "{name} costs {number:.1} {what}, more than its ceiling {ceiling:.1}. Find the cause, or write to {FILE}:\n{text}"
            );
            assert!(
                *number >= ceiling * IDLE - 0.1,
                "{name} costs {number:.1} {what}, far less than its ceiling {ceiling:.1}: lower it in {FILE}:\n{text}"
            );
        }
    }
}

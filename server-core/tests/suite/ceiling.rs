//! Ceilings of a request that do not depend on the speed of the machine: round trips, wake-ups of PostgreSQL,
//! statements that it plans, pages that it reads, and memory that the server allocates.

use std::fmt::Write as _;

use test_support::{CoreApp, Kind, Statements, granted, in_days};

use crate::scale::fill;

const FILE: &str = "server-core/tests/suite/ceiling.txt";
const CEILINGS: &str = include_str!("ceiling.txt");

/// Counters, in the order of the file.
const COUNTERS: [&str; 5] = ["round trips", "wake-ups", "kilobytes", "plans", "pages"];
/// Requests before the counted ones: they prepare statements and fill caches, and PostgreSQL decides for a generic
/// plan.
const WARM: u32 = 12;
/// Requests that are counted together.
const COUNTED: u32 = 20;
/// Repetitions, of which the least of each counter is taken: tasks in the background add to the others.
const REPEATED: u32 = 5;
/// Share of a ceiling that a request may exceed it by, e.g. as the length of an id differs from run to run.
const SLACK: f64 = 0.05;
/// Share of a ceiling below which it is to be lowered, so that a later step back is seen.
const IDLE: f64 = 0.75;

/// Cost of one request, by counter.
type Cost = [f64; 5];

/// Subject of the measurements.
struct Measured {
    app: CoreApp,
    statements: Statements,
    costs: Vec<(&'static str, Cost)>,
    /// Statements of each request, for whoever looks for a cause.
    described: String,
}

impl Measured {
    async fn start() -> Self {
        let app = CoreApp::builder().proxied().counted().start().await;
        let statements = app.database.statements().await;
        Self { app, statements, costs: Vec::new(), described: String::new() }
    }

    /// Measures what a request costs.
    async fn add(&mut self, name: &'static str, mut request: impl AsyncFnMut()) {
        for _ in 0..WARM {
            request().await;
        }
        let mut least = [f64::INFINITY; 5];
        for _ in 0..REPEATED {
            let cost = self.cost(&mut request).await;
            least = std::array::from_fn(|counter| least[counter].min(cost[counter]));
        }
        self.costs.push((name, least));
        writeln!(self.described, "{COUNTED} of {name}:\n{}", self.statements.described().await).unwrap();
    }

    async fn cost(&mut self, request: &mut impl AsyncFnMut()) -> Cost {
        // Requests for the metrics allocate, too.
        let asking = -self.allocated().await + self.allocated().await;
        self.statements.reset().await;
        let before = self.allocated().await;
        self.app.proxy().listen();
        for _ in 0..COUNTED {
            request().await;
        }
        let said = self.app.proxy().said();
        let allocated = self.allocated().await - before - asking;
        let work = self.statements.work().await;
        let own = |trip: &&test_support::Trip| trip.user == Kind::Core.app() && !trip.background();
        let wakeups = count(said.0.iter().filter(own).count());
        let trips = count(said.0.iter().filter(own).filter(|trip| trip.awaited()).count());
        [trips, wakeups, allocated / 1024.0, work.plans, work.pages].map(|total| total / f64::from(COUNTED))
    }

    /// Reads the number of bytes that the server has allocated so far.
    async fn allocated(&self) -> f64 {
        let allocated = self.app.server.metric("memory_allocated_bytes_total").await;
        assert!(allocated > 0.0, "the server counts what it allocates");
        allocated
    }
}

fn count(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap())
}

/// Reads the committed ceilings.
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

/// Compares costs with the ceilings; returns a line for each that differs.
fn compared(costs: &[(&str, Cost)], ceilings: &[(&str, Cost)]) -> String {
    let mut wrong = String::new();
    for ((name, numbers), (_, ceiling)) in costs.iter().zip(ceilings) {
        for ((counter, number), ceiling) in COUNTERS.iter().zip(numbers).zip(ceiling) {
            if *number > ceiling * (1.0 + SLACK) + 0.1 {
                writeln!(wrong, "{name}: {number:.1} {counter}, more than its ceiling {ceiling:.1}: find the cause")
                    .unwrap();
            } else if *number < ceiling * IDLE - 0.1 {
                writeln!(wrong, "{name}: {number:.1} {counter}, far less than its ceiling {ceiling:.1}: lower it")
                    .unwrap();
            }
        }
    }
    wrong
}

#[tokio::test]
async fn requests_stay_below_their_ceilings() {
    let mut measured = Measured::start().await;
    let app = &measured.app;
    let (staff, specialist) = (app.staff(), app.home().specialist_id);
    app.works_always(specialist).await;
    let patient = app.patient_create(&staff, "Ann", "Lee").await.id;
    let book = async |day: u64| {
        let body = CoreApp::new_appointment(specialist, patient, in_days(day, 9));
        granted(staff.appointment_create().body(body).send().await, 201).id
    };
    let first = book(30).await;
    // So many that a sequential scan is seen.
    fill(app, (0, 2_000), 400).await;

    let get = async || drop(granted(staff.appointment_get().appointment_id(first).send().await, 200));
    measured.add("appointment_get", get).await;
    let list = async || drop(granted(staff.appointment_list().send().await, 200));
    measured.add("appointment_list", list).await;
    let week = async || {
        let list = staff.appointment_list().from(in_days(0, 0)).to(in_days(7, 0));
        drop(granted(list.send().await, 200));
    };
    measured.add("appointment_list_of_a_week", week).await;
    let available = async || {
        let list =
            staff.specialist_availability_get().specialist_id(specialist).from(in_days(40, 0)).to(in_days(47, 0));
        drop(granted(list.send().await, 200));
    };
    measured.add("specialist_availability_get", available).await;
    let patient_get = async || drop(granted(staff.patient_get().patient_id(patient).send().await, 200));
    measured.add("patient_get", patient_get).await;
    let patients = async || drop(granted(staff.patient_list().send().await, 200));
    measured.add("patient_list", patients).await;
    let mut day = 40;
    let create = async || {
        day += 1;
        book(day).await;
    };
    measured.add("appointment_create", create).await;

    let mut text = String::from(
        "# Ceilings of one request: awaited round trips, wake-ups of PostgreSQL, kilobytes that the server allocates,\n\
         # statements that PostgreSQL plans, pages that it reads. A request above a ceiling costs more than before; one far\n\
         # below it is to be lowered.\n",
    );
    for (name, numbers) in &measured.costs {
        let numbers: Vec<String> = numbers.iter().map(|number| format!("{number:.1}")).collect();
        writeln!(text, "{name} {}", numbers.join(" ")).unwrap();
    }
    let described = &measured.described;
    let ceilings = ceilings();
    let names = |of: &[(&str, Cost)]| of.iter().map(|(name, _)| (*name).to_owned()).collect::<Vec<_>>();
    assert_eq!(names(&measured.costs), names(&ceilings), "{described}write to {FILE}:\n{text}");
    let wrong = compared(&measured.costs, &ceilings);
    assert!(wrong.is_empty(), "{wrong}\n{described}\nMend the cause, or write to {FILE}:\n{text}");
}

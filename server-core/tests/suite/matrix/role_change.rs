//! Members whose role changes or who are removed: everything they had in the former role is revoked, and every
//! operation answers them by the new role, in every process.

use reqwest::Method;
use restartix_sdk::core::types::{BeginImpersonation, HoldAppointment, MemberRole, UpdateMember};
use sqlx::AssertSqlSafe;
use test_support::{Actor, Answer, CoreApp, Grid, Operation, Person, Program, Role, Server, granted, in_days, until};

use super::{
    GRID,
    asker::Asker,
    fixture::{Surroundings, World},
};

/// Member with everything that the role can have.
struct Member {
    person: Person,
    was: Role,
    /// New role; `None` if the member is removed.
    becomes: Option<Role>,
    /// Link to the member's calendar.
    feed: String,
    /// Slot that the member holds, for roles that can book.
    hold: Option<i64>,
    /// Impersonation token: of the member if it is a patient, by the member if it is an administrator.
    impersonation: Option<String>,
    /// Program with an API key that the member created as an administrator.
    program: Option<Program>,
}

impl Member {
    /// Returns the member's name in test messages.
    fn name(&self) -> String {
        format!("{} made {}", self.was.as_str(), self.becomes.map_or("nothing", Role::as_str))
    }

    /// Returns the column of the grid for the new role.
    fn column(&self) -> Option<&'static str> {
        Some(match self.becomes? {
            Role::Admin => "admin",
            Role::Staff => "staff",
            // The fixtures use the records of other people.
            Role::Specialist => "other-specialist",
            Role::Patient => "other-patient",
        })
    }
}

async fn execute(app: &CoreApp, sql: String) {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut app.owner().await).await.unwrap();
}

async fn member(world: &World, was: Role, becomes: Option<Role>) -> Member {
    let (app, home) = (&world.app, world.app.home().id);
    let (person, specialist) = (app.member_add(was).await, app.home().specialist_id);
    let (actor, admin, user) = (app.actor(&person), app.admin(), person.user_id);
    let record = match was {
        Role::Patient => {
            let record = app.patient_create(&admin, "Pat", "Changed").await.id;
            execute(app, format!("update patients set user_id = {user} where id = {record}")).await;
            record
        }
        Role::Specialist => {
            let record = app.specialist_create(&admin, "Dr. Changed").await.id;
            execute(app, format!("update specialists set user_id = {user} where id = {record}")).await;
            world.patient.id
        }
        Role::Admin | Role::Staff => world.patient.id,
    };
    let mut hold = None;
    if was != Role::Specialist {
        let started_at = in_days(world.next_day(), 14);
        let slot =
            HoldAppointment { specialist_id: specialist, patient_id: Some(record), template_id: None, started_at };
        // The process is notified of the link within a moment.
        let (answer, _) = until("it can hold a slot", CoreApp::HEARD, || async {
            actor.appointment_hold_create().body(slot.clone()).send().await.ok()
        })
        .await;
        hold = Some(answer.into_inner().id);
    }
    let reason = BeginImpersonation { minutes: Some(30), reason: "A test".to_owned() };
    let acts = match was {
        Role::Patient => Some((&admin, record)),
        Role::Admin => Some((&actor, world.patient.id)),
        Role::Specialist | Role::Staff => None,
    };
    let mut impersonation = None;
    if let Some((by, of)) = acts {
        impersonation = Some(granted(by.patient_impersonate().patient_id(of).body(reason).send().await, 201).token);
    }
    let mut program = None;
    if was == Role::Admin {
        let body = restartix_sdk::core::types::CreateApiKey {
            expires_at: None,
            name: "Made by a former administrator".to_owned(),
            scopes: super::scopes(&world.operations),
        };
        let key = granted(actor.api_key_create().organization_id(home).body(body).send().await, 201);
        program = Some(Program::new(&app.url(), &key.secret));
    }
    let feed = granted(actor.calendar_feed_create().send().await, 201).token;
    Member { person, was, becomes, feed, hold, impersonation, program }
}

/// Reads the role at home from `GET /v1/me`; `None` for somebody who is not a member.
async fn role_at(actor: &Actor, home: i64) -> Option<String> {
    let me = actor.in_organization(home).me_get().send().await.ok()?;
    me.into_inner().role.map(|role| role.to_string())
}

async fn feed_status(base: &str, token: &str) -> u16 {
    let http = reqwest::Client::builder().build().unwrap();
    Answer::to(http.get(format!("{base}/v1/calendar.ics?token={token}"))).await.status.as_u16()
}

/// Asserts that everything the member has works in both processes.
async fn assert_has_it_all(world: &World, second: &Server, member: &Member) {
    let (name, home) = (member.name(), world.app.home().id);
    for base in [world.app.url(), second.url()] {
        let actor = world.app.actor(&member.person).at(&base);
        assert_eq!(role_at(&actor, home).await.as_deref(), Some(member.was.as_str()), "{name}");
        assert_eq!(feed_status(&base, &member.feed).await, 200, "{name}: the feed");
        if let Some(token) = &member.impersonation {
            assert!(actor.holding(token).me_get().send().await.is_ok(), "{name}: the impersonation");
        }
    }
}

async fn change(world: &World, member: &Member) {
    let (admin, home, user) = (world.app.admin(), world.app.home().id, member.person.user_id);
    match member.becomes {
        Some(role) => {
            let body = UpdateMember { role: role.as_str().parse::<MemberRole>().unwrap() };
            granted(admin.member_update().organization_id(home).user_id(user).body(body).send().await, 200);
        }
        None => granted(admin.member_delete().organization_id(home).user_id(user).send().await, 204),
    }
}

/// Asserts that nothing the member had in the former role works, in either process.
async fn assert_has_nothing_left(world: &World, second: &Server, member: &Member) {
    let (app, name, home, user) = (&world.app, member.name(), world.app.home().id, member.person.user_id);
    let (here, becomes) = (app.actor(&member.person), member.becomes.map(Role::as_str));
    assert_eq!(role_at(&here, home).await.as_deref(), becomes, "{name}: here, at once");
    let there = here.at(&second.url());
    let ((), took) = until(format!("{name}: the other process has heard"), CoreApp::HEARD, || async {
        (role_at(&there, home).await.as_deref() == becomes).then_some(())
    })
    .await;
    println!("{name}: in the other process after {took:?}");
    for base in [app.url(), second.url()] {
        assert_eq!(feed_status(&base, &member.feed).await, 404, "{name}: the feed goes on");
    }
    if let Some(token) = &member.impersonation {
        for actor in [&here, &there] {
            let acting = actor.holding(token);
            until(format!("{name}: the impersonation ends"), CoreApp::HEARD, || async {
                let refused = acting.me_get().send().await.err()?;
                refused.status().is_some_and(|status| status.as_u16() == 401).then_some(())
            })
            .await;
        }
    }
    if let Some(hold) = member.hold {
        let held = granted(app.admin().appointment_get().appointment_id(hold).send().await, 200);
        assert_eq!(held.status.to_string(), "expired", "{name}: what it held is kept from others");
    }
    let links = format!(
        "select (select count(*) from specialists where user_id = {user}) + (select count(*) from patients where user_id = {user})"
    );
    let links: i64 = sqlx::query_scalar(AssertSqlSafe(links)).fetch_one(&mut app.owner().await).await.unwrap();
    assert_eq!(links, 0, "{name}: a record is linked to it still");
    if let Some(program) = &member.program {
        granted(program.patient_list().send().await, 200);
    }
}

/// Returns the grid's cell, except where the fixture belongs to home's own administrator.
fn expected<'a>(grid: &'a Grid, operation: &str, column: &str) -> &'a str {
    match (operation, column) {
        // Home's administrator holds it.
        ("appointment_hold_delete", "admin") => "403",
        _ => grid.cell(operation, column).unwrap_or_else(|| panic!("no line for {operation} under {column}")),
    }
}

/// Changes members of a role to every other role, and runs the whole matrix as each of them.
async fn change_and_ask(was: Role) {
    let around = Surroundings::start().await;
    let world = World::start(&around).await;
    let (app, home) = (&world.app, world.app.home().id);
    let second = app.second_core().await;
    let mut members = Vec::new();
    let others = Role::ALL.into_iter().filter(|role| *role != was).map(Some);
    for becomes in others.chain([None]) {
        members.push(member(&world, was, becomes).await);
    }
    for member in &members {
        assert_has_it_all(&world, &second, member).await;
        change(&world, member).await;
        assert_has_nothing_left(&world, &second, member).await;
    }

    let grid = Grid::parse(GRID);
    let mut operations = Operation::all(&app.server);
    // The account is deleted last: its caller can't call anything afterwards.
    operations.sort_by_key(|operation| operation.id == "me_delete");
    for (place, operation) in operations.iter().filter(|operation| !operation.public).enumerate() {
        let id = operation.id.as_str();
        // Every fixture uses up a day of the calendar, and some set the schedule.
        execute(app, format!("update specialists set horizon_days = 366 where id = {}", app.home().specialist_id))
            .await;
        // A refused request changes nothing, so all of them share this fixture.
        let waits = world.fixture(id).await;
        for (number, member) in members.iter().enumerate() {
            world.asked_by(&member.person);
            let (name, here) = (member.name(), app.actor(&member.person).in_organization(home));
            // Both processes have been notified of the change; each gets half of the requests.
            let asker = Asker::Person(if (place + number).is_multiple_of(2) { here } else { here.at(&second.url()) });
            let expected = member.column().map_or("404", |column| expected(&grid, id, column));
            // Reads change nothing either.
            let uses_up = expected.starts_with('2') && operation.method != Method::GET;
            if uses_up && id.starts_with("waitlist_") {
                let gone = "update appointments set status = 'expired', holder = null
                            where status = 'held' and waitlist_entry_id is not null;
                            update waitlist_entries set deleted_at = now() where deleted_at is null";
                execute(app, gone.to_owned()).await;
            }
            let another = if uses_up { Some(world.fixture(id).await) } else { None };
            let answer = Answer::to(asker.request(operation, another.as_ref().unwrap_or(&waits))).await;
            assert_eq!(answer.status.as_str(), expected, "{id} by {name}: {}", answer.body);
        }
    }
}

#[tokio::test]
async fn a_former_administrator_is_what_it_became_everywhere_in_the_matrix() {
    change_and_ask(Role::Admin).await;
}

#[tokio::test]
async fn a_former_specialist_is_what_it_became_everywhere_in_the_matrix() {
    change_and_ask(Role::Specialist).await;
}

#[tokio::test]
async fn a_former_front_desk_is_what_it_became_everywhere_in_the_matrix() {
    change_and_ask(Role::Staff).await;
}

#[tokio::test]
async fn a_former_patient_is_what_it_became_everywhere_in_the_matrix() {
    change_and_ask(Role::Patient).await;
}

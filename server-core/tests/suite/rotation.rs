//! `server-core rotate-keys`: the master key changes while people work, without a failed request.

use std::{
    process::{Command, Output},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use restartix_sdk::core::types::{Patient, UpdatePatient};
use server_shared::crypto::{Binding, DataKey, Key32, MasterKeys};
use sqlx::PgConnection;
use test_support::{Actor, CoreApp, Server, granted, in_days, until};
use tokio::{
    sync::{Mutex, RwLock, Semaphore},
    task::JoinHandle,
};
use uuid::Uuid;

const OLD: &str = "0101010101010101010101010101010101010101010101010101010101010101";
const NEW: &str = "0202020202020202020202020202020202020202020202020202020202020202";

const PATIENTS: usize = 20_000;
/// Encrypted columns that the test fills, by the names that values are bound to.
const COLUMNS: [&str; 5] = ["phone", "national_id", "address", "emergency_contact", "clinical_notes"];
/// Largest number of concurrent requests, more than enough for 50 a second. Every request has to be answered.
const AT_ONCE: u32 = 32;
const REQUEST_EVERY: Duration = Duration::from_millis(20);
/// Longest wait for a condition: a debug build on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

fn key(hex: &str) -> Key32 {
    Key32::from_hex(hex).unwrap()
}

/// Returns the command `rotate-keys` with the three variables that it needs and no other.
fn rotate(app: &CoreApp, current: &str, old: &str, arguments: &[&str]) -> Command {
    let mut command = app.server.tool(&[&["rotate-keys"], arguments].concat());
    command.env_clear();
    command.env("DATABASE_URL", app.database.owner_url()).env("ENCRYPTION_KEY", current);
    command.env("ENCRYPTION_KEYS_OLD", old);
    command
}

/// Runs the command; returns its exit code and standard output.
fn outcome(mut command: Command) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let said = String::from_utf8(stdout).unwrap();
    for secret in [OLD, NEW] {
        assert!(!said.contains(secret) && !String::from_utf8_lossy(&stderr).contains(secret), "a key is shown");
    }
    (status.code(), said + &String::from_utf8_lossy(&stderr))
}

/// Counts the data keys under a master key.
async fn under(owner: &mut PgConnection, master: &str) -> i64 {
    sqlx::query_scalar("select count(*) from data_keys where substring(wrapped from 2 for 4) = $1")
        .bind(key(master).id().as_bytes().to_vec())
        .fetch_one(owner)
        .await
        .unwrap()
}

/// Returns the value of a column of a seeded patient.
fn value(column: &str, number: usize) -> String {
    if column == "phone" { format!("+49 30 {number:06}") } else { format!("{column} of {number}") }
}

fn text(patient: &Patient) -> [Option<&str>; 5] {
    let Patient { phone, national_id, address, emergency_contact, clinical_notes, .. } = patient;
    [phone, national_id, address, emergency_contact, clinical_notes].map(Option::as_deref)
}

/// Inserts patients numbered from 0, sealed by the code that the service uses.
async fn seed(owner: &mut PgConnection, organization_id: i64, master: &MasterKeys) -> Vec<i64> {
    let mut ids = Vec::with_capacity(PATIENTS);
    for numbers in (0..PATIENTS).collect::<Vec<_>>().chunks(2_000) {
        let (mut key_ids, mut keys, mut uids, mut names) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut sealed: [Vec<Vec<u8>>; 5] = Default::default();
        for number in numbers {
            let (key_id, uid) = (Uuid::now_v7(), Uuid::now_v7());
            let row = key_id.to_string();
            let place = Binding { organization_id, table: "data_keys", column: "wrapped", row: &row };
            let (key, wrapped) = master.generate_data_key(&place);
            let row = uid.to_string();
            for (column, sealed) in COLUMNS.into_iter().zip(&mut sealed) {
                let place = Binding { organization_id, table: "patients", column, row: &row };
                sealed.push(key.seal_text(&value(column, *number), &place));
            }
            key_ids.push(key_id);
            keys.push(wrapped.into_bytes());
            uids.push(uid);
            names.push(format!("Number{number}"));
        }
        sqlx::query(
            "insert into data_keys (id, organization_id, wrapped) select id, $1, w from unnest($2, $3) n (id, w)",
        )
        .bind(organization_id)
        .bind(&key_ids)
        .bind(&keys)
        .execute(&mut *owner)
        .await
        .unwrap();
        let [phone, national_id, address, contact, notes] = &sealed;
        let made: Vec<i64> = sqlx::query_scalar(
            "insert into patients (organization_id, uid, data_key_id, first_name, last_name, phone_encrypted,
                                   national_id_encrypted, address_encrypted, emergency_contact_encrypted,
                                   clinical_notes_encrypted)
             select $1, uid, key_id, 'Seeded', name, a, b, c, d, e
             from unnest($2, $3, $4, $5, $6, $7, $8, $9) n (uid, key_id, name, a, b, c, d, e) returning id",
        )
        .bind(organization_id)
        .bind(&uids)
        .bind(&key_ids)
        .bind(&names)
        .bind(phone)
        .bind(national_id)
        .bind(address)
        .bind(contact)
        .bind(notes)
        .fetch_all(&mut *owner)
        .await
        .unwrap();
        ids.extend(made);
    }
    ids
}

/// Opens every value with this master key alone; returns their number.
async fn read_all(owner: &mut PgConnection, organization_id: i64, master: &MasterKeys) -> usize {
    /// Patient: id of its data key, the wrapped key, uid, last name and encrypted columns.
    type Row = (Uuid, Vec<u8>, Uuid, String, Vec<Vec<u8>>);
    let mut opened = 0;
    let rows: Vec<Row> = sqlx::query_as(
        "select k.id, k.wrapped, p.uid, p.last_name,
                array[phone_encrypted, national_id_encrypted, address_encrypted, emergency_contact_encrypted,
                      clinical_notes_encrypted]
         from patients p join data_keys k on k.id = p.data_key_id",
    )
    .fetch_all(owner)
    .await
    .unwrap();
    for (key_id, wrapped, uid, name, values) in rows {
        let place = key_id.to_string();
        let place = Binding { organization_id, table: "data_keys", column: "wrapped", row: &place };
        let key: DataKey = master.unwrap(&wrapped, &place).unwrap();
        let (row, number) = (uid.to_string(), name.trim_start_matches("Number").parse().unwrap());
        for (column, sealed) in COLUMNS.into_iter().zip(values) {
            let place = Binding { organization_id, table: "patients", column, row: &row };
            let read = key.open_text(&sealed, &place).unwrap();
            // Values written by the load begin with the former value.
            assert!(read.starts_with(&value(column, number)), "{column} of {number} reads {read}");
            opened += 1;
        }
    }
    opened
}

/// Load of 50 requests a second, half reads and half writes, on the Core that it is directed to.
struct Load {
    target: Arc<RwLock<Actor>>,
    in_flight: Arc<Semaphore>,
    answered: Arc<AtomicUsize>,
    failures: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Load {
    fn start(actor: Actor, ids: Vec<i64>) -> Self {
        let target = Arc::new(RwLock::new(actor));
        let in_flight = Arc::new(Semaphore::new(AT_ONCE as usize));
        let (answered, failures) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
        let task = {
            let (target, in_flight) = (Arc::clone(&target), Arc::clone(&in_flight));
            let (answered, failures) = (Arc::clone(&answered), Arc::clone(&failures));
            tokio::spawn(async move {
                let mut ticks = tokio::time::interval(REQUEST_EVERY);
                ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
                for request in 0.. {
                    ticks.tick().await;
                    let permit = Arc::clone(&in_flight).acquire_owned().await.unwrap();
                    let actor = target.read().await.clone();
                    let (answered, failures) = (Arc::clone(&answered), Arc::clone(&failures));
                    // Writes are spread over all patients, each written once; reads are of any.
                    let number = request * 7_919 % ids.len();
                    let id = ids[number];
                    tokio::spawn(async move {
                        let done = if request % 2 == 0 {
                            write(&actor, id, number).await
                        } else {
                            read(&actor, id, number).await
                        };
                        match done {
                            Ok(()) => drop(answered.fetch_add(1, Ordering::Relaxed)),
                            Err(failure) => failures.lock().await.push(failure),
                        }
                        drop(permit);
                    });
                }
            })
        };
        Self { target, in_flight, answered, failures, task }
    }

    /// Directs the requests to another Core; when this returns, none is in progress at the former one.
    async fn move_to(&self, actor: Actor) {
        let _idle = self.in_flight.acquire_many(AT_ONCE).await.unwrap();
        *self.target.write().await = actor;
    }

    /// Waits until this many more requests have been answered.
    async fn answer(&self, more: usize) {
        let wanted = self.answered.load(Ordering::Relaxed) + more;
        until(format!("{more} more requests are answered"), PATIENCE, || async {
            (self.answered.load(Ordering::Relaxed) >= wanted || !self.failures.lock().await.is_empty()).then_some(())
        })
        .await;
    }

    /// Stops the load; returns the number of requests answered, and the failures.
    async fn stop(self) -> (usize, Vec<String>) {
        let _idle = self.in_flight.acquire_many(AT_ONCE).await.unwrap();
        self.task.abort();
        (self.answered.load(Ordering::Relaxed), self.failures.lock().await.clone())
    }
}

async fn read(actor: &Actor, id: i64, number: usize) -> Result<(), String> {
    let patient = actor.patient_get().patient_id(id).send().await.map_err(|error| format!("GET {id}: {error:?}"))?;
    for (column, read) in COLUMNS.into_iter().zip(text(&patient)) {
        if !read.is_some_and(|read| read.starts_with(&value(column, number))) {
            return Err(format!("GET {id}: {column} reads {read:?}"));
        }
    }
    Ok(())
}

async fn write(actor: &Actor, id: i64, number: usize) -> Result<(), String> {
    let after = |column: &str| Some(format!("{} again", value(column, number)));
    let change = UpdatePatient {
        address: after("address"),
        clinical_notes: after("clinical_notes"),
        date_of_birth: None,
        email: None,
        emergency_contact: after("emergency_contact"),
        first_name: "Seeded".to_owned(),
        last_name: format!("Number{number}"),
        national_id: after("national_id"),
        phone: Some(value("phone", number)),
        version: 1,
    };
    let written = actor.patient_update().patient_id(id).body(change).send().await;
    written.map(|_| ()).map_err(|error| format!("PUT {id}: {error:?}"))
}

#[tokio::test]
async fn the_keys_behind_100_000_values_rotate_while_they_are_read_and_written() {
    let mut app = CoreApp::builder().env("ENCRYPTION_KEY", NEW).env("ENCRYPTION_KEYS_OLD", OLD).start().await;
    let mut owner = app.owner().await;
    let home = app.home().id;
    let ids = seed(&mut owner, home, &MasterKeys::new(key(OLD), vec![])).await;
    let all = i64::try_from(PATIENTS).unwrap();
    assert_eq!(outcome(rotate(&app, NEW, OLD, &["--dry-run"])).0, Some(3), "the old key is needed");

    let admin = app.admin();
    let load = Load::start(admin.clone(), ids);
    load.answer(50).await;

    let mut killed = rotate(&app, NEW, OLD, &[]).spawn().unwrap();
    let half = tokio::time::timeout(PATIENCE, async {
        loop {
            let done = under(&mut owner, NEW).await;
            if done >= all / 2 {
                break done;
            }
            assert!(killed.try_wait().unwrap().is_none(), "it ended with {done} of {all} done");
        }
    });
    assert!(half.await.unwrap() < all, "it was killed in the middle");
    killed.kill().unwrap();
    killed.wait().unwrap();
    let left = under(&mut owner, OLD).await;
    assert!(left > 0, "it was killed after the last batch");
    load.answer(50).await;

    let resumed = tokio::task::spawn_blocking({
        let command = rotate(&app, NEW, OLD, &[]);
        move || outcome(command)
    });
    let (code, said) = resumed.await.unwrap();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains(&format!("data_keys.wrapped: {left} rewrapped")), "it goes on where it was: {said}");
    assert_eq!(under(&mut owner, OLD).await, 0);

    let alone: Server = app.second_core_with(&[("ENCRYPTION_KEYS_OLD", "")]).await;
    load.move_to(admin.at(&alone.url())).await;
    app.server.stop().await;
    load.answer(50).await;
    let (answered, failures) = load.stop().await;
    assert_eq!(failures, [] as [String; 0], "of {answered} requests");
    println!("{answered} requests, none failed; killed with {left} of {all} keys left");

    assert_eq!(read_all(&mut owner, home, &MasterKeys::new(key(NEW), vec![])).await, PATIENTS * COLUMNS.len());
    let audited: Vec<(String, String)> = sqlx::query_as(
        "select action, actor_kind from audit_log where entity_type = 'encryption_key' order by occurred_at",
    )
    .fetch_all(&mut owner)
    .await
    .unwrap();
    let audited: Vec<_> = audited.iter().map(|(action, actor)| (action.as_str(), actor.as_str())).collect();
    let system = |action| (action, "system");
    assert_eq!(audited, ["rotation_started", "rotation_started", "rotation_finished"].map(system));
}

/// Follows docs/OPERATIONS.md step by step, with requests to an instance before and after each step.
#[tokio::test]
async fn instances_of_two_steps_open_what_either_wrapped() {
    let mut before = CoreApp::builder().env("ENCRYPTION_KEY", OLD).start().await;
    let admin = before.admin();
    let mut patients = vec![before.patient_create(&admin, "Before", "All").await.id];
    let mut body = CoreApp::new_appointment(before.home().specialist_id, patients[0], in_days(2, 9));
    body.title = Some("Knee".to_owned());
    let booked = granted(admin.appointment_create().body(body).send().await, 201).id;
    let title = async |at: &Actor| granted(at.appointment_get().appointment_id(booked).send().await, 200).title;
    for (current, old) in [(OLD, NEW), (NEW, OLD)] {
        let after = before.second_core_with(&[("ENCRYPTION_KEY", current), ("ENCRYPTION_KEYS_OLD", old)]).await;
        let there = admin.at(&after.url());
        patients.push(before.patient_create(&admin, "Made", "Before").await.id);
        patients.push(before.patient_create(&there, "Made", "After").await.id);
        for at in [&admin, &there] {
            assert_eq!(title(at).await, "Knee", "what the organization's key sealed");
        }
        for id in &patients {
            granted(admin.patient_get().patient_id(*id).send().await, 200);
            granted(there.patient_get().patient_id(*id).send().await, 200);
        }
        before.server.stop().await;
        before.server.environment_set("ENCRYPTION_KEY", current);
        before.server.environment_set("ENCRYPTION_KEYS_OLD", old);
        before.server.start().await;
    }
    let (code, said) = outcome(rotate(&before, NEW, OLD, &[]));
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = outcome(rotate(&before, NEW, "", &["--dry-run"]));
    assert_eq!(code, Some(0), "{said}");
    let alone = before.second_core_with(&[("ENCRYPTION_KEYS_OLD", "")]).await;
    assert_eq!(title(&admin.at(&alone.url())).await, "Knee");
    for id in &patients {
        granted(admin.at(&alone.url()).patient_get().patient_id(*id).send().await, 200);
    }
}

#[tokio::test]
async fn what_does_not_open_is_named_and_keeps_the_old_keys() {
    let app = CoreApp::builder().env("ENCRYPTION_KEY", OLD).start().await;
    for name in ["One", "Two", "Three"] {
        app.patient_create(&app.admin(), "Key", name).await;
    }
    let mut owner = app.owner().await;
    let damaged: Uuid = sqlx::query_scalar(
        "update data_keys set wrapped = set_byte(wrapped, 30, get_byte(wrapped, 30) # 1)
         where id = (select min(id::text)::uuid from data_keys) returning id",
    )
    .fetch_one(&mut owner)
    .await
    .unwrap();
    let (code, said) = outcome(rotate(&app, NEW, OLD, &[]));
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains(&damaged.to_string()) && said.contains("2 rewrapped"), "{said}");
    // A value under an unknown key is not rewrapped, but counted.
    let (code, said) = outcome(rotate(&app, NEW, "", &["--dry-run"]));
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("1 under a key that is not configured"), "{said}");
    // A destroyed key stays destroyed.
    let destroy = "update data_keys set wrapped = '', destroyed_at = now() where id = $1";
    sqlx::query(destroy).bind(damaged).execute(&mut owner).await.unwrap();
    assert_eq!(outcome(rotate(&app, NEW, "", &["--dry-run"])).0, Some(0));
}

#[tokio::test]
async fn a_role_that_sees_nothing_does_not_say_that_nothing_is_left() {
    let app = CoreApp::start().await;
    let mut command = rotate(&app, NEW, OLD, &["--dry-run"]);
    command.env("DATABASE_URL", app.database.app_url());
    let (code, said) = outcome(command);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("not the role that owns"), "{said}");
}

#[tokio::test]
async fn every_fault_of_its_variables_is_named_at_once() {
    let app = CoreApp::start().await;
    let mut command = rotate(&app, "planted-key", "planted-old", &[]);
    command.env("DATABASE_URL", "planted-address");
    let (code, said) = outcome(command);
    assert_eq!(code, Some(2));
    for name in ["DATABASE_URL", "ENCRYPTION_KEY", "ENCRYPTION_KEYS_OLD"] {
        assert!(said.contains(&format!("{name}: ")), "{name} is not named in: {said}");
    }
    assert!(!said.contains("planted"), "{said}");
}

/// Checks that the registry has every column of wrapped keys: rotation would miss another one, and its keys would be
/// lost with the old master key.
#[tokio::test]
async fn rotation_knows_every_wrapped_column_of_the_schema() {
    let app = CoreApp::start().await;
    let columns: Vec<String> = sqlx::query_scalar(
        "select c.relname || '.' || a.attname from pg_attribute a
         join pg_class c on c.oid = a.attrelid and c.relkind in ('r', 'p') and not c.relispartition
         where c.relnamespace = 'public'::regnamespace and a.atttypid = 'bytea'::regtype
           and a.attname like '%wrapped%' and not a.attisdropped
         order by 1",
    )
    .fetch_all(&mut app.owner().await)
    .await
    .unwrap();
    let (_, said) = outcome(rotate(&app, NEW, OLD, &["--dry-run"]));
    let mut known: Vec<&str> = said
        .lines()
        .filter(|line| !line.starts_with(' '))
        .filter_map(|line| line.split_once(": "))
        .map(|(name, _)| name)
        .collect();
    known.retain(|name| name.contains('.'));
    known.sort_unstable();
    assert_eq!(
        columns, known,
        "WRAPPED in server-core/src/encryption/wrapped.rs lists other columns than the schema has"
    );
}

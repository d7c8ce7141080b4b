//! Specialists' hours, templates and patients in large numbers, inserted by SQL as the owner of the tables.

use server_shared::value::NameKeys;
use sqlx::AssertSqlSafe;

use crate::{CoreApp, Person};

/// Properties of a test's appointment template; all others have minimal values.
#[derive(Debug, Clone, Copy)]
pub struct Template {
    /// Duration.
    pub minutes: i32,
    /// Buffers before and after; `None` as the specialist has them.
    pub buffers: Option<(i32, i32)>,
    /// `in_person` or `video`.
    pub modality: &'static str,
    /// Minutes before the start until which a patient can cancel.
    pub cancellation_cutoff_minutes: i32,
    /// Minutes before the start until which a patient can reschedule.
    pub reschedule_cutoff_minutes: i32,
}

impl Template {
    /// In person, without buffers and cut-offs.
    pub fn of_minutes(minutes: i32) -> Self {
        Self {
            minutes,
            buffers: Some((0, 0)),
            modality: "in_person",
            cancellation_cutoff_minutes: 0,
            reschedule_cutoff_minutes: 0,
        }
    }
}

impl CoreApp {
    /// Gives a specialist working hours around the clock: a slot of 30 minutes is open at each full and half hour.
    pub async fn works_always(&self, specialist: i64) {
        let hours = "insert into specialist_hours (organization_id, specialist_id, weekday, starts_at, ends_at)
                     select s.organization_id, s.id, weekday, '00:00', '00:00'
                     from specialists s, generate_series(1, 7) as weekday where s.id = $1";
        sqlx::query(hours).bind(specialist).execute(&mut self.owner().await).await.expect("hours can be seeded");
    }

    /// Inserts an appointment template at home and returns its id.
    pub async fn template_add(&self, template: Template) -> i64 {
        let Template { minutes, buffers, modality, cancellation_cutoff_minutes, reschedule_cutoff_minutes } = template;
        let keys = NameKeys::of(&["Offered"]);
        sqlx::query_scalar(
            "insert into appointment_templates (organization_id, name, slug, duration_minutes, buffer_before_minutes,
                                                buffer_after_minutes, modality, cancellation_cutoff_minutes,
                                                reschedule_cutoff_minutes, name_folded, name_sort, name_keys_version)
             values ($1, 'Offered', 'offered-' || gen_random_uuid(), $2, $3, $4, $5, $6, $7, $8, $9, $10) returning id",
        )
        .bind(self.home().id)
        .bind(minutes)
        .bind(buffers.map(|(before, _)| before))
        .bind(buffers.map(|(_, after)| after))
        .bind(modality)
        .bind(cancellation_cutoff_minutes)
        .bind(reschedule_cutoff_minutes)
        .bind(keys.folded)
        .bind(keys.sort)
        .bind(keys.version)
        .fetch_one(&mut self.owner().await)
        .await
        .expect("a template can be seeded")
    }

    /// Many patients of home with logins of their own: each person and the id of its record. Nothing of
    /// theirs is sealed, so their data keys open nothing.
    pub async fn patients_add(&self, count: i32) -> Vec<(Person, i64)> {
        let (user, record) = (NameKeys::of(&["Somebody"]), NameKeys::of(&["OfMany", "One"]));
        let rows: Vec<(i64, String, i64)> = sqlx::query_as(
            "with people as (
                 insert into users (clerk_id, name, current_organization_id, name_folded, name_sort, name_keys_version)
                 select 'user_' || gen_random_uuid(), 'Somebody', $1, $3, $4, $7 from generate_series(1, $2)
                 returning id, clerk_id),
             members as (
                 insert into memberships (organization_id, user_id, role) select $1, id, 'patient' from people),
             keys as (
                 insert into data_keys (id, organization_id, wrapped)
                 select gen_random_uuid(), $1, '\\x00' from generate_series(1, $2) returning id),
             records as (
                 insert into patients (organization_id, uid, user_id, data_key_id, first_name, last_name, name_folded,
                                       name_sort, name_keys_version, indexes_version)
                 select $1, gen_random_uuid(), p.id, k.id, 'One', 'OfMany', $5, $6, $7, 1
                 from (select id, row_number() over () as place from people) p
                 join (select id, row_number() over () as place from keys) k using (place)
                 returning id, user_id)
             select p.id, p.clerk_id, r.id from people p join records r on r.user_id = p.id",
        )
        .bind(self.home().id)
        .bind(count)
        .bind(user.folded)
        .bind(user.sort)
        .bind(record.folded)
        .bind(record.sort)
        .bind(record.version)
        .fetch_all(&mut self.owner().await)
        .await
        .expect("patients can be seeded");
        rows.into_iter().map(|(user_id, clerk_id, record)| (Person { user_id, clerk_id }, record)).collect()
    }

    /// Changes an appointment by SQL, without the service: sets its state, or moves its times into the past.
    pub async fn appointment_set(&self, id: i64, assignments: &'static str) {
        let sql = format!("update appointments set {assignments} where id = {id}");
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut self.owner().await).await.expect("an appointment can be set");
    }
}

use server_shared::http::{Paging, Total};
use uuid::Uuid;

use super::{
    columns::appointment_query,
    error::{AppointmentError, unknown_patient},
    model::{AppointmentFilter, AppointmentSort, CreateAppointment, LONGEST},
    row::{AppointmentRow, CreatedRow, NewAppointment},
};
use crate::{
    database::{DatabaseError, First, Literal, OpenReader, Prepared, Tx, broken_constraint},
    domain::{appointment_template::Modality, period::Period, rules::InvalidValue},
    ids::{AppointmentId, OrganizationId, SpecialistId},
};

pub(super) async fn appointment_find(
    reader: &mut OpenReader,
    uid: Uuid,
) -> Result<Option<AppointmentRow>, DatabaseError> {
    reader.list().of_organization().filter("uid =", Some(uid)).one().await
}

/// Returns a page of appointments and the number of all that match.
pub(super) async fn appointment_page(
    reader: &mut OpenReader,
    filter: &AppointmentFilter,
    sort: AppointmentSort,
    paging: Paging,
) -> Result<(Vec<AppointmentRow>, Total), DatabaseError> {
    let order = match sort {
        AppointmentSort::StartedAt => "started_at, id",
        AppointmentSort::StartedAtDescending => "started_at desc, id desc",
    };
    // A specialist and a patient see their own appointments alone; the conditions let an index find them.
    let (own_patient, own_specialist) = reader.own_records();
    reader
        .list()
        .filter("specialist_id =", own_specialist)
        .filter("patient_id =", own_patient)
        .filter("ended_at >", filter.from)
        // Bounds the range of the index on both sides, as no appointment lasts longer.
        .filter("started_at >", filter.from.map(|from| from - LONGEST))
        .filter("started_at <", filter.to)
        .filter("specialist_id =", filter.specialist_id)
        .filter("patient_id =", filter.patient_id)
        .filter("status =", filter.status)
        .filter("appointment_template_id =", filter.template_id)
        .rows(order, paging)
        .await
}

/// Passes the INSERT of an appointment to a macro that takes the SQL before the columns that it returns, and the
/// arguments. A [`CreatedRow`] has these columns; [`NewAppointment::stored`] adds those that the statement sets.
macro_rules! appointment_insert {
    ($macro:ident $(, $arguments:expr)* $(,)?) => {
        $macro!(
            r"
        insert into appointments as a (organization_id, title_encrypted, status, started_at, ended_at, block,
                                       specialist_id, patient_id, specialty_id, user_id, uid)
        select $1, $2, 'scheduled', $3, $4, tstzrange($3, $4), s.id, p.id, $7, $8, $9
        from specialists s, patients p
        where s.organization_id = $1 and s.id = $5 and s.deleted_at is null
          and p.organization_id = $1 and p.id = $6 and p.deleted_at is null
          and ($7::bigint is null or exists (select from specialties y where y.organization_id = $1 and y.id = $7
                                             and y.archived_at is null))
        returning
        ",
            $($arguments),*
        )
    };
}

/// Inserts an appointment if all that it refers to exists, in one statement. Returns `None` if a reference does not
/// exist, see [`unknown_reference`].
pub(super) async fn appointment_create(
    tx: &mut impl Tx,
    new: NewAppointment<'_>,
) -> Result<Option<CreatedRow>, AppointmentError> {
    macro_rules! checked {
        ($before:literal, $($arguments:tt)*) => {
            sqlx::query_as!(
                CreatedRow,
                $before
                    + r#"
        a.id as "id: AppointmentId", a.modality as "modality: Modality", a.sequence, a.version, a.created_at,
        a.updated_at
        "#,
                $($arguments)*
            )
        };
    }
    let NewAppointment { organization, user, uid, title, booking } = new;
    appointment_insert!(
        checked,
        organization.0,
        title,
        booking.started_at.get(),
        booking.ended_at.get(),
        booking.specialist_id.0,
        booking.patient_id.0,
        booking.specialty_id.map(|id| id.0),
        user.map(|id| id.0),
        uid
    )
    .fetch_optional(tx.connection()?)
    .await
    .map_err(on_overlap)
}

/// Returns the statement of [`appointment_create`] for the begin of a transaction.
pub(super) fn appointment_create_first(new: NewAppointment<'_>) -> First {
    macro_rules! returning {
        ($before:literal,) => {
            || format!("{} {}", $before, CreatedRow::COLUMNS)
        };
    }
    const CREATE: Prepared = Prepared { name: "appointment_create", sql: appointment_insert!(returning) };
    let NewAppointment { organization, user, uid, title, booking } = new;
    First::new(
        CREATE,
        &[
            Literal::Number(Some(organization.0)),
            Literal::Bytes(title),
            Literal::Moment(booking.started_at.get()),
            Literal::Moment(booking.ended_at.get()),
            Literal::Number(Some(booking.specialist_id.0)),
            Literal::Number(Some(booking.patient_id.0)),
            Literal::Number(booking.specialty_id.map(|id| id.0)),
            Literal::Number(user.map(|id| id.0)),
            Literal::Uuid(uid),
        ],
    )
}

/// Finds the reference of a booking that does not exist, after a statement has refused one.
pub(super) async fn unknown_reference(
    tx: &mut impl Tx,
    organization: OrganizationId,
    booking: &CreateAppointment,
) -> Result<AppointmentError, DatabaseError> {
    let found = sqlx::query!(
        r#"
        select exists(select from specialists where organization_id = $1 and id = $2 and deleted_at is null) as "specialist!",
               exists(select from patients where organization_id = $1 and id = $3 and deleted_at is null) as "patient!"
        "#,
        organization.0, booking.specialist_id.0, booking.patient_id.0
    )
    .fetch_one(tx.connection()?)
    .await?;
    let invalid = if !found.specialist {
        InvalidValue::new("/specialist_id", "unknown_reference", "is no specialist of this organization")
    } else if !found.patient {
        unknown_patient()
    } else {
        InvalidValue::new("/specialty_id", "unknown_reference", "is no specialty in use of this organization")
    };
    Ok(invalid.into())
}

pub(super) async fn appointment_update(
    tx: &mut impl Tx,
    organization: OrganizationId,
    id: AppointmentId,
    title: Option<&[u8]>,
    booking: &CreateAppointment,
    block: Period,
) -> Result<Option<AppointmentRow>, AppointmentError> {
    appointment_query!(
        r#"
        update appointments a
        set title = '', title_encrypted = $3, started_at = $4, ended_at = $5, block = tstzrange($9, $10), specialist_id = s.id,
            patient_id = p.id, specialty_id = $8, version = a.version + 1, updated_at = now()
        from specialists s, patients p
        where a.id = $2 and a.organization_id = $1
          and s.organization_id = $1 and s.id = $6 and s.deleted_at is null
          and p.organization_id = $1 and p.id = $7 and p.deleted_at is null
          -- one that was archived meanwhile may stay, but not be chosen anew
          and ($8::bigint is null or $8 = a.specialty_id
               or exists (select from specialties y where y.organization_id = $1 and y.id = $8 and y.archived_at is null))
        returning
        "#,
        "",
        organization.0,
        id.0,
        title,
        booking.started_at.get(),
        booking.ended_at.get(),
        booking.specialist_id.0,
        booking.patient_id.0,
        booking.specialty_id.map(|id| id.0),
        block.start,
        block.end
    )
    .fetch_optional(tx.connection()?)
    .await
    .map_err(on_overlap)
}

/// Deletes an appointment; returns its modality and specialist, or `None` if it does not exist.
pub(super) async fn appointment_delete(
    tx: &mut impl Tx,
    id: AppointmentId,
) -> Result<Option<(Modality, SpecialistId)>, DatabaseError> {
    let row = sqlx::query!(
        r#"update appointments set deleted_at = now(), version = version + 1, updated_at = now()
           where id = $1 and deleted_at is null
           returning modality as "modality: Modality", specialist_id as "specialist_id: SpecialistId""#,
        id.0
    )
    .fetch_optional(tx.connection()?)
    .await?;
    Ok(row.map(|row| (row.modality, row.specialist_id)))
}

/// Converts the violation of an overlap constraint into [`AppointmentError::SlotTaken`].
pub(super) fn on_overlap(error: sqlx::Error) -> AppointmentError {
    match broken_constraint(&error) {
        Some("appointments_specialist_overlap" | "appointments_patient_overlap") => AppointmentError::SlotTaken,
        _ => DatabaseError::from(error).into(),
    }
}

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    database::{DatabaseError, Tx, WriteTx},
    domain::{
        custom_field::FieldEntity,
        field::{FieldType, FieldValue},
    },
    ids::{CustomFieldId, OrganizationId, PatientId, UserId},
};

/// Profile as it is stored.
pub(super) struct ProfileRows {
    /// `false` for an appointment whose patient's record is not open to the caller.
    pub(super) open: bool,
    /// Patient whom the values concern.
    pub(super) patient_id: Option<PatientId>,
    /// 0 if nothing was ever written.
    pub(super) version: i64,
    pub(super) fields: Vec<FieldRow>,
}

/// Custom field in its present version, with its value in a profile.
pub(super) struct FieldRow {
    pub(super) id: CustomFieldId,
    pub(super) key: String,
    pub(super) version: i32,
    pub(super) phi: bool,
    pub(super) definition: Value,
    pub(super) readable_by: Vec<String>,
    pub(super) writable_by: Vec<String>,
    pub(super) archived_at: Option<DateTime<Utc>>,
    pub(super) value: Option<ValueRow>,
}

/// Value as it is stored: sealed, or in the column of its type; neither if it was removed.
pub(super) struct ValueRow {
    pub(super) uid: Uuid,
    pub(super) field_version: i32,
    /// Type of the version that the value was given under.
    pub(super) field_type: FieldType,
    /// Unit of that version.
    pub(super) unit: Option<String>,
    pub(super) data_key_id: Option<Uuid>,
    /// Wrapped key that the value is sealed under; `None` for the key of the organization.
    pub(super) wrapped: Option<Vec<u8>>,
    pub(super) value_encrypted: Option<Vec<u8>>,
    pub(super) text_value: Option<String>,
    pub(super) number_value: Option<String>,
    pub(super) boolean_value: Option<bool>,
    pub(super) date_value: Option<NaiveDate>,
    pub(super) time_value: Option<NaiveTime>,
    pub(super) datetime_value: Option<DateTime<Utc>>,
    pub(super) choices_value: Option<Vec<String>>,
    pub(super) changed_in: i64,
    pub(super) changed_at: DateTime<Utc>,
    pub(super) changed_by_user_id: Option<UserId>,
}

/// Row of the statement that reads a profile: a field, perhaps with a value. The only row of an entity without fields
/// has neither.
struct StoredRow {
    open: bool,
    patient_id: Option<PatientId>,
    profile_version: i64,
    field_id: Option<CustomFieldId>,
    key: Option<String>,
    version: Option<i32>,
    phi: Option<bool>,
    definition: Option<Value>,
    readable_by: Option<Vec<String>>,
    writable_by: Option<Vec<String>>,
    archived_at: Option<DateTime<Utc>>,
    uid: Option<Uuid>,
    field_version: Option<i32>,
    field_type: Option<FieldType>,
    unit: Option<String>,
    data_key_id: Option<Uuid>,
    wrapped: Option<Vec<u8>>,
    value_encrypted: Option<Vec<u8>>,
    text_value: Option<String>,
    number_value: Option<String>,
    boolean_value: Option<bool>,
    date_value: Option<NaiveDate>,
    time_value: Option<NaiveTime>,
    datetime_value: Option<DateTime<Utc>>,
    choices_value: Option<Vec<String>>,
    changed_in: Option<i64>,
    changed_at: Option<DateTime<Utc>>,
    changed_by_user_id: Option<UserId>,
}

impl StoredRow {
    fn field(mut self) -> Option<FieldRow> {
        Some(FieldRow {
            id: self.field_id?,
            key: self.key.take()?,
            version: self.version?,
            phi: self.phi?,
            definition: self.definition.take()?,
            readable_by: self.readable_by.take()?,
            writable_by: self.writable_by.take()?,
            archived_at: self.archived_at,
            value: self.value(),
        })
    }

    fn value(self) -> Option<ValueRow> {
        Some(ValueRow {
            uid: self.uid?,
            field_version: self.field_version?,
            field_type: self.field_type?,
            unit: self.unit,
            data_key_id: self.data_key_id,
            wrapped: self.wrapped,
            value_encrypted: self.value_encrypted,
            text_value: self.text_value,
            number_value: self.number_value,
            boolean_value: self.boolean_value,
            date_value: self.date_value,
            time_value: self.time_value,
            datetime_value: self.datetime_value,
            choices_value: self.choices_value,
            changed_in: self.changed_in?,
            changed_at: self.changed_at?,
            changed_by_user_id: self.changed_by_user_id,
        })
    }
}

/// Reads the fields of a profile with their values in one statement; `None` if the caller sees no such record.
pub(super) async fn profile_get(
    tx: &mut impl Tx,
    organization: OrganizationId,
    entity: FieldEntity,
    owner: i64,
) -> Result<Option<ProfileRows>, DatabaseError> {
    let rows = sqlx::query_as!(
        StoredRow,
        r#"
        with owner as (
            select true as open, p.id as patient_id from patients p
            where $2 = 'patient' and p.organization_id = $1 and p.id = $3 and p.deleted_at is null
            union all
            select true, null from specialists s
            where $2 = 'specialist' and s.organization_id = $1 and s.id = $3 and s.deleted_at is null
            union all
            select exists (select from patients p where p.organization_id = a.organization_id and p.id = a.patient_id),
                   a.patient_id
            from appointments a
            where $2 = 'appointment' and a.organization_id = $1 and a.id = $3 and a.deleted_at is null
            union all
            select true, null from organizations o where $2 = 'organization' and o.id = $1 and o.id = $3
        )
        select o.open as "open!", o.patient_id as "patient_id?: PatientId",
               coalesce(r.version, 0) as "profile_version!",
               f.id as "field_id?: CustomFieldId", f.key as "key?", f.version as "version?", f.phi as "phi?",
               d.definition as "definition?", f.readable_by as "readable_by?", f.writable_by as "writable_by?",
               f.archived_at as "archived_at?",
               v.uid as "uid?", v.field_version as "field_version?", given.field_type as "field_type?: FieldType",
               given.definition ->> 'unit' as "unit?",
               v.data_key_id as "data_key_id?", k.wrapped as "wrapped?", v.value_encrypted as "value_encrypted?",
               v.text_value as "text_value?", trim_scale(v.number_value)::text as "number_value?",
               v.boolean_value as "boolean_value?", v.date_value as "date_value?", v.time_value as "time_value?",
               v.datetime_value as "datetime_value?", v.choices_value as "choices_value?",
               v.changed_in as "changed_in?", v.changed_at as "changed_at?",
               v.changed_by_user_id as "changed_by_user_id?: UserId"
        from owner o
        left join profiles r on r.organization_id = $1 and r.entity = $2 and r.owner_id = $3
        left join custom_fields f on f.organization_id = $1 and f.entity = $2
        left join custom_field_versions d
               on d.organization_id = $1 and d.custom_field_id = f.id and d.version = f.version
        left join profile_values v
               on v.organization_id = $1 and v.entity = $2 and v.owner_id = $3 and v.custom_field_id = f.id
        left join custom_field_versions given
               on given.organization_id = $1 and given.custom_field_id = v.custom_field_id
                  and given.version = v.field_version
        left join data_keys k on k.organization_id = $1 and k.id = v.data_key_id and v.value_encrypted is not null
        order by f.key
        "#,
        organization.0,
        entity as FieldEntity,
        owner
    )
    .fetch_all(tx.connection()?)
    .await?;
    let Some(first) = rows.first() else { return Ok(None) };
    let (open, patient_id, version) = (first.open, first.patient_id, first.profile_version);
    let fields = rows.into_iter().filter_map(StoredRow::field).collect();
    Ok(Some(ProfileRows { open, patient_id, version, fields }))
}

/// Record whose profile a transaction writes.
pub(super) struct HeldOwner {
    /// `false` for an appointment whose patient's record is not open to the caller.
    pub(super) open: bool,
    /// Patient whom the values concern.
    pub(super) patient_id: Option<PatientId>,
    /// Key of the patient.
    pub(super) data_key_id: Option<Uuid>,
    pub(super) wrapped: Option<Vec<u8>>,
    /// Version that the write makes; `None` if the record is not open, or was erased meanwhile.
    pub(super) version: Option<i64>,
    /// Time of the transaction.
    pub(super) now: DateTime<Utc>,
}

/// Counts a profile's version up and locks the profile to the end of the transaction; creates it if it is not there.
/// `None` if the caller can't write to such a record.
pub(super) async fn profile_hold(
    tx: &mut WriteTx,
    organization: OrganizationId,
    entity: FieldEntity,
    owner: i64,
) -> Result<Option<HeldOwner>, DatabaseError> {
    let held = sqlx::query_as!(
        HeldOwner,
        r#"
        with owner as (
            select true as open, p.id as patient_id, p.data_key_id from patients p
            where $2 = 'patient' and p.organization_id = $1 and p.id = $3 and p.deleted_at is null
            union all
            select true, null, null from specialists s
            where $2 = 'specialist' and s.organization_id = $1 and s.id = $3 and s.deleted_at is null
              and (context_role() is distinct from 'specialist' or s.id = context_specialist())
            union all
            select p.id is not null, p.id, p.data_key_id
            from appointments a
            left join patients p on p.organization_id = a.organization_id and p.id = a.patient_id
            where $2 = 'appointment' and a.organization_id = $1 and a.id = $3 and a.deleted_at is null
            union all
            select true, null, null from organizations o where $2 = 'organization' and o.id = $1 and o.id = $3
        ), held as (
            insert into profiles (organization_id, entity, patient_id, specialist_id, appointment_id)
            select $1, $2, case when $2 = 'patient' then $3 end, case when $2 = 'specialist' then $3 end,
                   case when $2 = 'appointment' then $3 end
            from owner where open
            on conflict (organization_id, entity, owner_id)
            do update set version = profiles.version + 1, updated_at = now()
            returning version
        )
        select o.open as "open!", o.patient_id as "patient_id?: PatientId", o.data_key_id as "data_key_id?",
               k.wrapped as "wrapped?", h.version as "version?", now() as "now!"
        from owner o
        left join held h on true
        left join data_keys k on k.organization_id = $1 and k.id = o.data_key_id
        "#,
        organization.0,
        entity as FieldEntity,
        owner
    )
    .fetch_optional(tx.connection()?)
    .await?;
    Ok(held)
}

/// Value to be stored.
pub(super) struct NewValue<'a> {
    pub(super) uid: Uuid,
    pub(super) custom_field_id: CustomFieldId,
    pub(super) key: &'a str,
    pub(super) field_version: i32,
    pub(super) phi: bool,
    /// Sealed value of a field that is protected health information.
    pub(super) sealed: Option<Vec<u8>>,
    /// Value of any other field.
    pub(super) clear: Option<&'a FieldValue>,
}

impl NewValue<'_> {
    /// Writes the row as the statement reads it.
    fn row(&self) -> Value {
        let mut row = json!({
            "uid": self.uid,
            "custom_field_id": self.custom_field_id.0,
            "key": self.key,
            "field_version": self.field_version,
            "phi": self.phi,
            "sealed": self.sealed.as_ref().map(hex::encode),
        });
        if let Some(value) = self.clear {
            row[value.column()] = value.to_json();
        }
        row
    }
}

/// Record that values are written for.
pub(super) struct Written {
    pub(super) organization: OrganizationId,
    pub(super) entity: FieldEntity,
    pub(super) owner: i64,
    /// Patient whom the values concern, and its key.
    pub(super) patient: Option<(PatientId, Uuid)>,
    /// Version of the profile that the write makes.
    pub(super) version: i64,
}

/// Stores values in one statement, each instead of the one before.
pub(super) async fn values_write(
    tx: &mut WriteTx,
    written: &Written,
    values: &[NewValue<'_>],
) -> Result<(), DatabaseError> {
    let Written { organization, entity, owner, patient, version } = written;
    let rows = Value::Array(values.iter().map(NewValue::row).collect());
    sqlx::query!(
        r#"
        insert into profile_values (organization_id, uid, entity, patient_id, specialist_id, appointment_id,
                                    custom_field_id, key, field_version, phi, data_key_id, value_encrypted, text_value,
                                    number_value, boolean_value, date_value, time_value, datetime_value, choices_value,
                                    changed_in)
        select $1, n.uid, $2, $4, case when $2 = 'specialist' then $3::bigint end,
               case when $2 = 'appointment' then $3::bigint end, n.custom_field_id, n.key, n.field_version, n.phi, $5,
               decode(n.sealed, 'hex'), n.text_value, n.number_value, n.boolean_value, n.date_value, n.time_value,
               n.datetime_value, n.choices_value, $6
        from jsonb_to_recordset($7) as n (uid uuid, custom_field_id bigint, key text, field_version integer,
                                          phi boolean, sealed text, text_value text, number_value numeric,
                                          boolean_value boolean, date_value date, time_value time, datetime_value timestamptz,
                                          choices_value text[])
        on conflict (organization_id, entity, owner_id, custom_field_id) do update
        set field_version = excluded.field_version, phi = excluded.phi, data_key_id = excluded.data_key_id,
            value_encrypted = excluded.value_encrypted, text_value = excluded.text_value,
            number_value = excluded.number_value, boolean_value = excluded.boolean_value,
            date_value = excluded.date_value, time_value = excluded.time_value,
            datetime_value = excluded.datetime_value, choices_value = excluded.choices_value,
            changed_in = excluded.changed_in, changed_at = now(), changed_by_user_id = context_user()
        "#,
        organization.0,
        *entity as FieldEntity,
        *owner,
        patient.map(|(id, _)| id.0),
        patient.map(|(_, key)| key),
        *version,
        rows
    )
    .execute(tx.connection()?)
    .await?;
    Ok(())
}

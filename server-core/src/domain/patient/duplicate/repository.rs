use super::model::{DuplicateReason, PossibleDuplicate};
use crate::{
    database::{DatabaseError, Tx, WriteTx},
    ids::{OrganizationId, PatientId},
};

/// Blind indexes by which another record of the same person is found.
#[derive(Debug, Default)]
pub(crate) struct Alike {
    pub(crate) name_birth: Option<Vec<u8>>,
    /// Indexes of the number, read with the organization's country and, for rows that were indexed without a country,
    /// without one.
    pub(crate) phones: Vec<Vec<u8>>,
    pub(crate) national_id: Option<Vec<u8>>,
}

impl Alike {
    fn is_empty(&self) -> bool {
        self.name_birth.is_none() && self.phones.is_empty() && self.national_id.is_none()
    }
}

/// Finds at most ten other patients who have one of the values, those with the most of them first.
///
/// Reads a few entries of an index for each value, however many patients have it: a clinic may have entered its own
/// number for everybody who has none.
pub(crate) async fn duplicates(
    tx: &mut WriteTx,
    organization: OrganizationId,
    patient: PatientId,
    alike: &Alike,
) -> Result<Vec<PossibleDuplicate>, DatabaseError> {
    if alike.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query!(
        r#"
        select found.id as "patient_id!: PatientId", bool_or(found.reason = 1) as "name_birth!",
               bool_or(found.reason = 2) as "phone!", bool_or(found.reason = 3) as "national_id!"
        from (
            (select id, 1 as reason from patients
             where organization_id = $1 and name_birth_index = $3 and deleted_at is null and id <> $2
             limit 10)
            union all
            (select id, 2 from patients
             where organization_id = $1 and phone_index = any($4) and deleted_at is null and id <> $2
             limit 10)
            union all
            (select id, 3 from patients
             where organization_id = $1 and national_id_index = $5 and deleted_at is null and id <> $2
             limit 10)
        ) as found
        group by found.id
        order by count(distinct found.reason) desc, found.id
        limit 10
        "#,
        organization.0,
        patient.0,
        alike.name_birth.as_deref(),
        &alike.phones,
        alike.national_id.as_deref()
    )
    .fetch_all(tx.connection()?)
    .await?;
    let duplicates = rows.into_iter().map(|row| {
        let reasons = [
            (row.name_birth, DuplicateReason::NameAndBirthDate),
            (row.phone, DuplicateReason::Phone),
            (row.national_id, DuplicateReason::NationalId),
        ];
        let reasons = reasons.into_iter().filter(|(is, _)| *is).map(|(_, reason)| reason).collect();
        PossibleDuplicate { patient_id: row.patient_id, reasons }
    });
    Ok(duplicates.collect())
}

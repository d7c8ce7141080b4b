use server_shared::{
    http::{Page, Paging},
    value::NameKeys,
};

use super::{
    error::SpecialtyError,
    model::{Specialty, SpecialtyInput, SpecialtySort},
};
use crate::{
    database::{Archived, DatabaseError, Listed, OpenReader, Tx, WriteTx, broken_constraint},
    ids::{OrganizationId, SpecialtyId},
};

/// Expands to a checked statement that returns the specialty it wrote, from its text before `returning` and its
/// arguments.
macro_rules! specialty_written {
    ($statement:literal, $($arguments:tt)*) => {
        sqlx::query_as!(
            Specialty,
            $statement
                + r#" returning id as "id: SpecialtyId", name, description, archived_at, created_at, updated_at"#,
            $($arguments)*
        )
    };
}

impl Listed for Specialty {
    const TABLE: &'static str = "specialties";
    const COLUMNS: &'static str = "id, name, description, archived_at, created_at, updated_at";
    // The request says whether archived ones are meant; a clinic has a few dozen in all.
    const PRESENT: &'static str = "true";
}

impl Archived for Specialty {}

pub(super) async fn specialty_page(
    reader: &mut OpenReader,
    archived: bool,
    sort: SpecialtySort,
    paging: Paging,
) -> Result<Page<Specialty>, DatabaseError> {
    let order = match sort {
        SpecialtySort::Name => "name_sort, id",
        SpecialtySort::NameDescending => "name_sort desc nulls last, id desc",
    };
    reader.list().filter("(archived_at is not null) =", Some(archived)).page(order, paging).await
}

pub(super) async fn specialty_create(
    tx: &mut WriteTx,
    organization: OrganizationId,
    input: &SpecialtyInput,
) -> Result<Specialty, SpecialtyError> {
    let keys = NameKeys::of(&[input.name.as_str()]);
    specialty_written!(
        "insert into specialties (organization_id, name, description, name_folded, name_sort, name_keys_version)
         values ($1, $2, $3, $4, $5, $6)",
        organization.0,
        input.name.as_str(),
        input.description.as_str(),
        keys.folded,
        keys.sort,
        keys.version
    )
    .fetch_one(tx.connection()?)
    .await
    .map_err(on_name)
}

pub(super) async fn specialty_update(
    tx: &mut WriteTx,
    id: SpecialtyId,
    input: &SpecialtyInput,
) -> Result<Option<Specialty>, SpecialtyError> {
    let keys = NameKeys::of(&[input.name.as_str()]);
    specialty_written!(
        "update specialties
         set name = $2, description = $3, name_sort = $5, name_keys_version = $6, updated_at = now(),
             -- Of two that have become equal, one goes without the key until it is renamed.
             name_folded = case when name is distinct from $2 or name_keys_version is null then $4 else name_folded end
         where id = $1",
        id.0,
        input.name.as_str(),
        input.description.as_str(),
        keys.folded,
        keys.sort,
        keys.version
    )
    .fetch_optional(tx.connection()?)
    .await
    .map_err(on_name)
}

fn on_name(error: sqlx::Error) -> SpecialtyError {
    match broken_constraint(&error) {
        // The first constraint compares names in lower case, including those of rows without keys.
        Some("specialties_name_key" | "specialties_folded_key") => SpecialtyError::NameTaken,
        _ => DatabaseError::from(error).into(),
    }
}

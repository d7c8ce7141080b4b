use server_shared::http::{Page, Paging};

use super::{
    error::SpecialtyError,
    model::{Specialty, SpecialtyInput, SpecialtySort},
};
use crate::{
    database::{Archived, DatabaseError, Listed, OpenReader, Tx, WriteTx, broken_constraint},
    ids::{OrganizationId, SpecialtyId},
};

/// A checked statement that gives back the specialty it wrote: what stands before `returning`, and the arguments.
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
    // Which of them is the request's to say; a clinic has a few dozen.
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
        SpecialtySort::Name => "lower(name), id",
        SpecialtySort::NameDescending => "lower(name) desc, id",
    };
    reader.list().filter("(archived_at is not null) =", Some(archived)).page(order, paging).await
}

pub(super) async fn specialty_create(
    tx: &mut WriteTx,
    organization: OrganizationId,
    input: &SpecialtyInput,
) -> Result<Specialty, SpecialtyError> {
    specialty_written!(
        "insert into specialties (organization_id, name, description) values ($1, $2, $3)",
        organization.0,
        input.name,
        input.description
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
    specialty_written!(
        "update specialties set name = $2, description = $3, updated_at = now() where id = $1",
        id.0,
        input.name,
        input.description
    )
    .fetch_optional(tx.connection()?)
    .await
    .map_err(on_name)
}

fn on_name(error: sqlx::Error) -> SpecialtyError {
    match broken_constraint(&error) {
        Some("specialties_name_key") => SpecialtyError::NameTaken,
        _ => DatabaseError::from(error).into(),
    }
}

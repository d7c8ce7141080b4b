use server_shared::{
    http::{Page, Paging},
    value::NameKeys,
};

use super::{
    error::OrganizationError,
    model::{CreateOrganization, Organization, UpdateOrganization},
};
use crate::{
    database::{DatabaseError, Listed, OpenReader, Tx, broken_constraint},
    ids::OrganizationId,
};

/// Expands to a checked statement that returns the organization it wrote, from its text before `returning` and its
/// arguments.
macro_rules! organization_written {
    ($statement:literal, $($arguments:tt)*) => {
        sqlx::query_as!(
            Organization,
            $statement
                + r#" returning id as "id: OrganizationId", name, slug, timezone, country, clerk_id as clerk_organization_id,
                  created_at, updated_at"#,
            $($arguments)*
        )
    };
}

impl Listed for Organization {
    const TABLE: &'static str = "organizations";
    const COLUMNS: &'static str = "id, name, slug, timezone, country, clerk_id as clerk_organization_id, \
                                   created_at, updated_at";
    const PRESENT: &'static str = "true";
    const OF_ORGANIZATIONS: bool = false;
}

/// Organization that the user of the context may see.
#[derive(sqlx::FromRow)]
struct Visible {
    #[sqlx(flatten)]
    organization: Organization,
}

impl Listed for Visible {
    const TABLE: &'static str = "visible_organizations()";
    const COLUMNS: &'static str = Organization::COLUMNS;
    const PRESENT: &'static str = Organization::PRESENT;
    const OF_ORGANIZATIONS: bool = false;
}

pub(super) async fn organization_page(
    reader: &mut OpenReader,
    paging: Paging,
) -> Result<Page<Organization>, DatabaseError> {
    let (rows, total) = reader.list().rows::<Visible>("name_sort, id", paging).await?;
    Ok(paging.page(rows.into_iter().map(|row| row.organization).collect(), total))
}

/// Finds an organization by its slug among those that the user may see.
pub(super) async fn organization_find(
    reader: &mut OpenReader,
    slug: &str,
) -> Result<Option<Organization>, DatabaseError> {
    let row = reader.list().filter("slug =", Some(slug)).one::<Visible>().await?;
    Ok(row.map(|row| row.organization))
}

pub(super) async fn organization_create(
    tx: &mut impl Tx,
    input: &CreateOrganization,
    slug: &str,
) -> Result<Organization, OrganizationError> {
    let keys = NameKeys::of(&[input.name.as_str()]);
    organization_written!(
        "insert into organizations (name, slug, timezone, clerk_id, name_folded, name_sort, name_keys_version, country,
                                    phones_country)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $8)",
        input.name.as_str(),
        slug,
        input.timezone,
        input.clerk_organization_id,
        keys.folded,
        keys.sort,
        keys.version,
        input.country
    )
    .fetch_one(tx.connection()?)
    .await
    .map_err(|error| match broken_constraint(&error) {
        Some("organizations_slug_key") => OrganizationError::SlugTaken,
        Some("organizations_clerk_key") => OrganizationError::ClerkOrganizationTaken,
        _ => DatabaseError::from(error).into(),
    })
}

pub(super) async fn organization_update(
    tx: &mut impl Tx,
    id: OrganizationId,
    input: &UpdateOrganization,
) -> Result<Option<Organization>, DatabaseError> {
    let keys = NameKeys::of(&[input.name.as_str()]);
    let row = organization_written!(
        "update organizations
         set name = $2, timezone = $3, name_folded = $4, name_sort = $5, name_keys_version = $6, country = $7,
             updated_at = now()
         where id = $1",
        id.0,
        input.name.as_str(),
        input.timezone,
        keys.folded,
        keys.sort,
        keys.version,
        input.country
    )
    .fetch_optional(tx.connection()?)
    .await?;
    Ok(row)
}

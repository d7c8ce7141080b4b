//! The clinics of a test, written by SQL as the owner: two, with somebody of each role.

use server_shared::value::NameKeys;
use sqlx::PgConnection;
use uuid::Uuid;

/// Role of a person in an organization.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Runs a clinic.
    Admin,
    /// Treats patients.
    Specialist,
    /// Front desk.
    Staff,
    /// Is treated.
    Patient,
}

impl Role {
    /// Every role of an organization.
    pub const ALL: [Self; 4] = [Self::Admin, Self::Specialist, Self::Staff, Self::Patient];

    /// As the database and the tokens write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Specialist => "specialist",
            Self::Staff => "staff",
            Self::Patient => "patient",
        }
    }
}

/// A user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Its id.
    pub user_id: i64,
    /// Id of the user at the identity provider.
    pub clerk_id: String,
}

/// A clinic and its people.
#[derive(Debug, Clone)]
pub struct Organization {
    /// Its id.
    pub id: i64,
    /// Its name in links.
    pub slug: String,
    /// Runs it.
    pub admin: Person,
    /// A specialist: the login of the specialist record `specialist_id`.
    pub specialist: Person,
    /// The record of `specialist`.
    pub specialist_id: i64,
    /// Front desk.
    pub staff: Person,
    /// The login of a patient who has no patient record yet; `CoreApp::patient_record` makes one.
    pub patient: Person,
}

impl Organization {
    /// Its person of a role.
    pub fn person(&self, role: Role) -> &Person {
        match role {
            Role::Admin => &self.admin,
            Role::Specialist => &self.specialist,
            Role::Staff => &self.staff,
            Role::Patient => &self.patient,
        }
    }
}

pub(crate) async fn superadmin(owner: &mut PgConnection) -> Person {
    let person = user(owner, None).await;
    execute(owner, &format!("update users set superadmin = true where id = {}", person.user_id)).await;
    person
}

pub(crate) async fn organization(owner: &mut PgConnection, name: &str) -> Organization {
    let slug = name.to_lowercase().replace(' ', "-");
    let keys = NameKeys::of(&[name]);
    let id = sqlx::query_scalar(
        "insert into organizations (name, slug, timezone, name_folded, name_sort, name_keys_version)
         values ($1, $2, 'Europe/Berlin', $3, $4, $5) returning id",
    )
    .bind(name)
    .bind(&slug)
    .bind(keys.folded)
    .bind(keys.sort)
    .bind(keys.version)
    .fetch_one(&mut *owner)
    .await
    .expect("an organization can be seeded");
    let admin = member(owner, id, Role::Admin).await;
    let specialist = member(owner, id, Role::Specialist).await;
    let staff = member(owner, id, Role::Staff).await;
    let patient = member(owner, id, Role::Patient).await;
    let keys = NameKeys::of(&["Dr. Seeded"]);
    let specialist_id = sqlx::query_scalar(
        "insert into specialists (organization_id, user_id, name, title, timezone, name_folded, name_sort,
                                  name_keys_version)
         values ($1, $2, 'Dr. Seeded', 'Physiotherapist', 'Europe/Berlin', $3, $4, $5) returning id",
    )
    .bind(id)
    .bind(specialist.user_id)
    .bind(keys.folded)
    .bind(keys.sort)
    .bind(keys.version)
    .fetch_one(owner)
    .await
    .expect("a specialist can be seeded");
    Organization { id, slug, admin, specialist, specialist_id, staff, patient }
}

/// A new user that is a member with the role, and works in the organization.
pub(crate) async fn member(owner: &mut PgConnection, organization: i64, role: Role) -> Person {
    let person = user(owner, Some(organization)).await;
    membership(owner, organization, &person, role).await;
    person
}

pub(crate) async fn membership(owner: &mut PgConnection, organization: i64, person: &Person, role: Role) {
    let (user, role) = (person.user_id, role.as_str());
    let sql =
        format!("insert into memberships (organization_id, user_id, role) values ({organization}, {user}, '{role}')");
    execute(owner, &sql).await;
}

async fn user(owner: &mut PgConnection, organization: Option<i64>) -> Person {
    let clerk_id = format!("user_{}", Uuid::new_v4().simple());
    let keys = NameKeys::of(&["Somebody"]);
    let user_id = sqlx::query_scalar(
        "insert into users (clerk_id, name, current_organization_id, name_folded, name_sort, name_keys_version)
         values ($1, 'Somebody', $2, $3, $4, $5) returning id",
    )
    .bind(&clerk_id)
    .bind(organization)
    .bind(keys.folded)
    .bind(keys.sort)
    .bind(keys.version)
    .fetch_one(owner)
    .await
    .expect("a user can be seeded");
    Person { user_id, clerk_id }
}

async fn execute(owner: &mut PgConnection, sql: &str) {
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(owner).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
}

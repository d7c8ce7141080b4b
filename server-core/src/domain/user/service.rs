use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use server_shared::{
    mark::{Phi, ShownOnce},
    token::Ed25519Signer,
    value::EmailAddress,
};
use uuid::Uuid;

use super::{
    error::UserError,
    event::UserEvent,
    model::{Moment, Profile, TelemetryClaims, TelemetryToken},
    repository::{self, AccountRow, SealedEmail},
};
use crate::{
    database::{Database, DatabaseError, WriteTx},
    encryption::{Encryption, Holder, NO_ORGANIZATION},
    identity::{Changed, Person},
    ids::{OrganizationId, UserId},
};

/// Issuer of telemetry tokens.
const ISSUER: &str = "restartix-core";
/// Who the tokens are for.
const AUDIENCE: &str = "restartix-telemetry";
const TOKEN_MINUTES: i64 = 10;
const TABLE: &str = "users";
const EMAIL: &str = "email";

/// The caller's own account.
#[derive(Clone)]
pub(crate) struct Service {
    database: Database,
    signer: Arc<Ed25519Signer>,
    encryption: Arc<Encryption>,
}

impl Service {
    pub(crate) fn new(database: Database, signer: Arc<Ed25519Signer>, encryption: Arc<Encryption>) -> Self {
        Self { database, signer, encryption }
    }

    /// The caller in the organization that it works in from now on.
    pub(crate) async fn switch(&self, caller: &Person, organization: OrganizationId) -> Result<Person, UserError> {
        let switched = caller.in_organization(organization).ok_or(UserError::NotAMember)?;
        let user = caller.id();
        let mut tx = self.database.write(&switched).await?;
        repository::user_switch(&mut tx, user, organization).await?;
        // This process answers by the new organization from the very next request on.
        tx.changed(Changed::User(user));
        tx.commit(UserEvent::Updated(user, vec!["current_organization_id"])).await?;
        Ok(switched)
    }

    /// A token for Telemetry. What it says is read and dated by the database: Telemetry is asked to refuse what
    /// was issued before a change, and a process that has not heard of one yet must not issue anything after it.
    pub(crate) async fn telemetry_token(
        &self,
        caller: &Person,
        organization: OrganizationId,
    ) -> Result<TelemetryToken, UserError> {
        let present =
            repository::present_role_get(self.database.across(), caller.id(), organization, caller.session()).await?;
        let present = present.ok_or(UserError::Unknown)?;
        if present.session_ended {
            return Err(UserError::SessionEnded);
        }
        let role = present.role.ok_or(UserError::OrganizationNotFound)?;
        let expires_at = present.at + TimeDelta::minutes(TOKEN_MINUTES);
        let claims = TelemetryClaims {
            iss: ISSUER,
            aud: AUDIENCE,
            sub: caller.id().to_string(),
            org: organization.0,
            role: role.as_str(),
            patient_id: present.patient_id.map(|id| id.0),
            iat: seconds(present.at),
            nbf: present.at.timestamp(),
            exp: expires_at.timestamp(),
            jti: Uuid::now_v7().to_string(),
        };
        Ok(TelemetryToken { token: ShownOnce::new(self.signer.sign(&claims)?), expires_at })
    }

    /// The public half of the key that signs telemetry tokens.
    pub(super) fn key_set(&self) -> serde_json::Value {
        self.signer.jwks()
    }

    /// The identity provider says what a user is like; something newer that it said stays.
    pub(crate) async fn profile_put(
        &self,
        tx: &mut WriteTx,
        profile: &Profile,
        moment: &Moment,
    ) -> Result<UserEvent, UserError> {
        let (account, is_new) =
            repository::account_lock(tx, &profile.clerk_id, &self.erased_name(&profile.clerk_id)).await?;
        let user = account.id;
        if account.deleted_at.is_some() || account.moment().is_some_and(|known| known >= *moment) {
            return Ok(UserEvent::Ignored(user));
        }
        let email = self.seal(&account, profile.email.as_deref())?;
        repository::profile_update(tx, account.id, profile, &email, moment).await?;
        tx.changed(Changed::User(account.id));
        if is_new {
            return Ok(UserEvent::Created(user));
        }
        let compared = [("name", account.name == profile.name), ("email", account.email_index == email.index)];
        let changed = compared.into_iter().filter(|(_, same)| !same).map(|(field, _)| field);
        Ok(UserEvent::Updated(user, changed.collect()))
    }

    /// The identity provider says that a user is gone: so is what is personal. Nothing that it says later
    /// of the user counts. Gives who it was, and whether this is news.
    pub(crate) async fn close(&self, tx: &mut WriteTx, clerk_id: &str) -> Result<(UserId, bool, UserEvent), UserError> {
        let (account, _) = repository::account_lock(tx, clerk_id, &self.erased_name(clerk_id)).await?;
        let user = account.id;
        if account.deleted_at.is_some() {
            return Ok((account.id, false, UserEvent::Ignored(user)));
        }
        repository::account_close(tx, account.id).await?;
        tx.changed(Changed::User(account.id));
        Ok((account.id, true, UserEvent::Deleted(user)))
    }

    /// Revokes every token for Telemetry that the user was issued until the commit: tokens don't say which session
    /// they were issued in, and a person who is signed in elsewhere gets a new one.
    pub(crate) async fn access_revoke(&self, tx: &mut WriteTx, clerk_id: &str) -> Result<(), DatabaseError> {
        repository::access_revoke(tx, clerk_id).await
    }

    /// The user whom the identity provider calls so, locked, and whether it is still there; made if nothing
    /// has been heard of it yet.
    pub(crate) async fn known(&self, tx: &mut WriteTx, clerk_id: &str) -> Result<(UserId, bool), UserError> {
        let (account, _) = repository::account_lock(tx, clerk_id, &self.erased_name(clerk_id)).await?;
        Ok((account.id, account.deleted_at.is_none()))
    }

    /// What an erased user is called in the place of the identity provider's name: news of the user that
    /// come late are recognized by it, and nobody can read the name from it.
    pub(crate) fn erased_name(&self, clerk_id: &str) -> String {
        format!("erased:{}", hex::encode(self.encryption.index(NO_ORGANIZATION, "clerk_id", clerk_id)))
    }

    /// The hash under which users with this e-mail address are found.
    pub(crate) fn email_index(&self, email: &str) -> Vec<u8> {
        self.encryption.index(NO_ORGANIZATION, EMAIL, &EmailAddress::key_of(email))
    }

    /// The e-mail address of the user `uid`, as its row has it.
    pub(crate) fn email_open(
        &self,
        uid: Uuid,
        data_key_wrapped: Option<&[u8]>,
        sealed: Option<&[u8]>,
    ) -> Result<Option<Phi<String>>, DatabaseError> {
        let Some(wrapped) = data_key_wrapped else { return Ok(None) };
        self.encryption.open(Holder::User { uid }, wrapped)?.row(TABLE, uid).open(EMAIL, sealed)
    }

    fn seal(&self, account: &AccountRow, email: Option<&str>) -> Result<SealedEmail, DatabaseError> {
        let Some(email) = email else { return Ok(SealedEmail { sealed: None, index: None, key: None }) };
        let holder = Holder::User { uid: account.uid };
        let (key, new) = if let Some(wrapped) = &account.data_key_wrapped {
            (self.encryption.open(holder, wrapped)?, None)
        } else {
            let new = self.encryption.create(holder);
            (new.key.clone(), Some(new))
        };
        let sealed = key.row(TABLE, account.uid).seal(EMAIL, Some(email));
        Ok(SealedEmail { sealed, index: Some(self.email_index(email)), key: new })
    }
}

/// Seconds since 1970; a double holds today's to the microsecond.
#[allow(clippy::cast_precision_loss, reason = "microseconds of this century are whole numbers below 2^53")]
fn seconds(moment: DateTime<Utc>) -> f64 {
    moment.timestamp_micros() as f64 / 1e6
}

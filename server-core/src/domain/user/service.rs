use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use server_shared::{
    mark::{Phi, ShownOnce},
    token::Ed25519Signer,
};
use uuid::Uuid;

use super::{
    error::UserError,
    event::UserEvent,
    model::{EventTime, Profile, TelemetryClaims, TelemetryToken},
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
/// Audience of telemetry tokens.
const AUDIENCE: &str = "restartix-telemetry";
const TOKEN_MINUTES: i64 = 10;
/// Tolerated lead of the identity provider's clock over this one.
pub(crate) const CLOCK_LEAD: TimeDelta = TimeDelta::minutes(5);
const TABLE: &str = "users";
const EMAIL: &str = "email";

/// Service for the accounts of users.
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

    /// Stores the organization that the caller works in from now on; returns the caller in it.
    pub(crate) async fn switch(&self, caller: &Person, organization: OrganizationId) -> Result<Person, UserError> {
        let switched = caller.in_organization(organization).ok_or(UserError::NotAMember)?;
        let user = caller.id();
        let mut tx = self.database.write(&switched).await?;
        repository::user_switch(&mut tx, user, organization).await?;
        // The next request at this process is answered in the new organization.
        tx.changed(Changed::User(user));
        tx.commit(UserEvent::Updated(user, vec!["current_organization_id"])).await?;
        Ok(switched)
    }

    /// Issues a token for Telemetry. Its claims and its time are read from the database: Telemetry refuses tokens from
    /// before a change, so a process that has not noticed the change must not issue a token with the former claims and
    /// a later time.
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

    /// Returns the public keys of telemetry tokens.
    pub(super) fn key_set(&self) -> serde_json::Value {
        self.signer.jwks()
    }

    /// Stores a user's profile from an event of the identity provider, unless the row reflects a later event.
    pub(crate) async fn profile_put(
        &self,
        tx: &mut WriteTx,
        profile: &Profile,
        moment: &EventTime,
    ) -> Result<UserEvent, UserError> {
        let (account, is_new) =
            repository::account_lock(tx, &profile.clerk_id, &self.erased_name(&profile.clerk_id)).await?;
        let user = account.id;
        // A stored time in the future would outrank every event to come, so it is ignored.
        let latest = Utc::now() + CLOCK_LEAD;
        let known = account.moment().filter(|known| known.at <= latest);
        if account.deleted_at.is_some() || known.is_some_and(|known| known >= *moment) {
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

    /// Closes the account of a user that the identity provider has deleted, and clears its personal data. Later events
    /// of the user are ignored. Returns the user, and true unless the account was closed before.
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

    /// Revokes every token for Telemetry that was issued to the user until the commit. Tokens don't name the session
    /// that they were issued in; a person who is signed in elsewhere gets a new one.
    pub(crate) async fn access_revoke(&self, tx: &mut WriteTx, clerk_id: &str) -> Result<(), DatabaseError> {
        repository::access_revoke(tx, clerk_id).await
    }

    /// Locks the user with an id of the identity provider, and creates it if it is new; returns the user, and true
    /// unless its account is closed.
    pub(crate) async fn known(&self, tx: &mut WriteTx, clerk_id: &str) -> Result<(UserId, bool), UserError> {
        let (account, _) = repository::account_lock(tx, clerk_id, &self.erased_name(clerk_id)).await?;
        Ok((account.id, account.deleted_at.is_none()))
    }

    /// Returns the keyed hash that replaces the identity provider's id of an erased user. It recognizes late events of
    /// the user without disclosing the id.
    pub(crate) fn erased_name(&self, clerk_id: &str) -> String {
        format!("erased:{}", hex::encode(self.encryption.index(NO_ORGANIZATION, "clerk_id", clerk_id)))
    }

    /// Returns the blind index of an e-mail address.
    pub(crate) fn email_index(&self, email: &str) -> Vec<u8> {
        self.encryption.address_index(email)
    }

    /// Decrypts the e-mail address of the user `uid`.
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

/// Returns the seconds since 1970; a double has room for microseconds.
#[allow(clippy::cast_precision_loss, reason = "microseconds of this century are whole numbers below 2^53")]
fn seconds(moment: DateTime<Utc>) -> f64 {
    moment.timestamp_micros() as f64 / 1e6
}

use std::sync::Arc;

use uuid::Uuid;

use super::{
    error::ImpersonationError,
    event::ImpersonationEvent,
    model::{BeginImpersonation, ImpersonationToken},
    repository::{self, NewImpersonation},
};
use crate::{
    database::Database,
    domain::patient,
    encryption::OrganizationKeys,
    identity::{Changed, Person, Secrets},
    ids::{ImpersonationId, OrganizationId, PatientId},
};

const TABLE: &str = "impersonations";

/// Service for impersonations of patients by administrators.
#[derive(Clone)]
pub(crate) struct Service {
    database: Database,
    patients: patient::Service,
    keys: OrganizationKeys,
    secrets: Arc<Secrets>,
}

impl Service {
    pub(crate) fn new(
        database: Database,
        patients: patient::Service,
        keys: OrganizationKeys,
        secrets: Arc<Secrets>,
    ) -> Self {
        Self { database, patients, keys, secrets }
    }

    pub(super) async fn begin(
        &self,
        caller: &Person,
        organization: OrganizationId,
        patient: PatientId,
        input: &BeginImpersonation,
    ) -> Result<ImpersonationToken, ImpersonationError> {
        let secret = self.secrets.make();
        let (key, uid) = (self.keys.of(organization).await?, Uuid::now_v7());
        let mut tx = self.database.write(caller).await?;
        let Some(patient_user) = self.patients.links.user_of(&mut tx, patient).await? else {
            return Err(patient::absent(&mut tx, patient).await.into());
        };
        let patient_user = patient_user.ok_or(ImpersonationError::PatientHasNoUser)?;
        let new = NewImpersonation {
            impersonator: caller.id(),
            session: caller.session(),
            patient,
            patient_user,
            token_hash: &secret.hash,
            uid,
            reason: key.row(TABLE, uid).seal("reason", Some(input.reason.as_str())),
            minutes: input.minutes,
        };
        let impersonation = repository::impersonation_create(&mut tx, organization, &new).await?;
        tx.commit(ImpersonationEvent::Began(impersonation.id)).await?;
        Ok(ImpersonationToken { impersonation, token: secret.secret })
    }

    pub(super) async fn end(&self, caller: &Person, id: ImpersonationId) -> Result<(), ImpersonationError> {
        let mut tx = self.database.write(caller).await?;
        if !repository::impersonation_revoke(&mut tx, id).await? {
            return Err(ImpersonationError::NotFound);
        }
        tx.changed(Changed::Impersonation(id));
        tx.commit(ImpersonationEvent::Ended(id)).await?;
        Ok(())
    }
}

use uuid::Uuid;

use super::{
    super::{
        document::{REASON, VOIDS},
        error::FormError,
        event::FormEvent,
        model::{Form, FormStatus, VoidForm},
        service::Service,
    },
    repository,
};
use crate::{
    database::{Disclosed, Sealed},
    identity::Caller,
    ids::{FormId, OrganizationId},
};

impl Service {
    /// Makes a form void, whatever its state.
    pub(in crate::domain::form) async fn void(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        id: FormId,
        input: &VoidForm,
    ) -> Result<Disclosed<Form>, FormError> {
        let mut tx = self.begin(caller, id).await?;
        let mut open = self.locked(&mut tx, organization, id, input.version).await?;
        let uid = Uuid::now_v7();
        let reason = open.key.row(VOIDS, uid).seal(REASON, Some(input.reason.as_str())).unwrap_or_default();
        let voided = repository::form_void(&mut tx, id, uid, &reason).await?;
        open.row.summary.status = FormStatus::Void;
        open.row.summary.voided_at = Some(voided.voided_at);
        if let Some(version) = voided.version {
            open.row.summary.version = version;
            open.row.summary.updated_at = voided.voided_at;
        }
        open.row.void_uid = Some(uid);
        open.row.void_reason_encrypted = Some(reason);
        let form = Sealed::new(open.shown(None, false)?);
        Ok(tx.commit_sealed(form, |_| FormEvent::Voided(id)).await?)
    }
}

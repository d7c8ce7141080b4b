use chrono::{SubsecRound as _, Utc};
use poem_openapi::types::ToJSON as _;

use super::{
    super::{
        content::FrozenContent,
        document::FormDocument,
        error::FormError,
        event::FormEvent,
        model::{Form, FormStatus, SignForm},
        repository::form_hold_first,
        service::{OpenForm, Service},
        signature::{FormSignature, FormStatement},
    },
    repository::{self, NewSignature},
};
use crate::{
    database::{Disclosed, Lock, Sealed, WriteTx},
    domain::form_definition::{FormSigner, SignerRole, content_hash},
    event::Events,
    identity::{Caller, Credential, Role},
    ids::{FormId, OrganizationId, UserId},
};

impl Service {
    /// Adds the signature of the caller, which has to be the next one. The first freezes the content; the last writes
    /// values back to the patient's profile.
    pub(in crate::domain::form) async fn sign(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        id: FormId,
        input: &SignForm,
    ) -> Result<Disclosed<Form>, FormError> {
        let (user, signer) = signer(caller)?;
        let locks = vec![Lock::FieldsRead(organization)];
        let mut tx = self.database.write_attempt(caller, locks, form_hold_first(id)).await?;
        let mut open = self.locked(&mut tx, organization, id, input.version).await?;
        match open.row.summary.status {
            FormStatus::Submitted | FormStatus::PartlySigned => {}
            FormStatus::Draft => return Err(FormError::NotSubmitted),
            FormStatus::Signed => return Err(FormError::Signed),
            FormStatus::Void => return Err(FormError::Void),
        }
        let (given, signers) = (open.signatures.len(), open.version.content.definition.signers());
        let next = signers.get(given).copied();
        let signature = FormSigner { signer, meaning: input.meaning };
        if next != Some(signature) {
            return Err(FormError::SignatureNotNext { next });
        }
        let is_last = given + 1 == signers.len();
        let frozen = frozen(&mut tx, &open).await?;
        let hash = frozen.as_ref().map(|frozen| hex::encode(frozen.hash));
        let hash = hash.or_else(|| open.row.summary.content_hash.clone()).unwrap_or_default();
        let signed_at = Utc::now().trunc_subsecs(6);
        let statement = FormStatement {
            form_uid: open.row.summary.uid,
            position: i32::try_from(given + 1).unwrap_or(i32::MAX),
            content_hash: hash.clone(),
            previous_hash: open.signatures.last().map(|before| before.hash.clone()),
            signer_user_id: user,
            signer,
            meaning: input.meaning,
            signed_at,
            authentication_age_seconds: caller
                .authenticated_at()
                // The clock of the identity provider may be ahead.
                .map(|at| (signed_at - at).num_seconds().max(0)),
        };
        let stated = statement.to_json().unwrap_or_default();
        let stated_hash = content_hash(&stated);
        let status = if is_last { FormStatus::Signed } else { FormStatus::PartlySigned };
        let new = NewSignature {
            form: id,
            version: open.row.summary.version + 1,
            status,
            position: statement.position,
            statement: &stated,
            hash: stated_hash,
            signed_at,
            frozen: frozen.as_ref(),
        };
        let at = repository::form_sign(&mut tx, &new).await?;
        let mut events = Events::from(FormEvent::SignatureAdded(id));
        if is_last {
            let written = self.write_back(&mut tx, caller, organization, &open).await?;
            events = events.and([FormEvent::Signed(id)]).and(written);
        }
        if let Some(frozen) = frozen {
            open.document = FormDocument::of_content(&frozen.json);
            open.content = Some(frozen.json);
        }
        open.row.summary.status = status;
        open.row.summary.version += 1;
        open.row.summary.updated_at = at;
        open.row.summary.content_hash = Some(hash);
        open.row.summary.signed_at = is_last.then_some(signed_at);
        open.signatures.push(FormSignature { statement, hash: hex::encode(stated_hash) });
        let form = Sealed::new(open.shown(None, false)?);
        Ok(tx.commit_sealed(form, |_| events).await?)
    }
}

/// Returns the person who signs, and the role of the signature: a specialist or a patient in a session of its own, and
/// nobody else.
fn signer(caller: &Caller) -> Result<(UserId, SignerRole), FormError> {
    if caller.is_impersonated() {
        return Err(FormError::SigningImpersonated);
    }
    let role = match caller.role() {
        Some(Role::Specialist) => SignerRole::Specialist,
        Some(Role::Patient) => SignerRole::Patient,
        _ => return Err(FormError::SignerForbidden),
    };
    match (&caller.credential, caller.user_id) {
        (Credential::Session(..), Some(user)) => Ok((user, role)),
        _ => Err(FormError::SignerForbidden),
    }
}

/// Returns the content that the first signature freezes; `None` if it is frozen already.
async fn frozen(tx: &mut WriteTx, open: &OpenForm) -> Result<Option<FrozenContent>, FormError> {
    if open.row.summary.status != FormStatus::Submitted {
        return Ok(None);
    }
    let amends = match open.row.summary.amends_id {
        Some(amended) => Some(repository::form_uid(tx, amended).await?),
        None => None,
    };
    Ok(Some(FrozenContent::of(&open.row, &open.key, &open.document, &open.version, amends)))
}

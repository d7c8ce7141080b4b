use poem_openapi::{OpenApi, param::Query, payload::Json};
use server_shared::{ApiError, value::LanguageTag};

use super::{super::service::Service, model::DueForms};
use crate::{
    database::Disclosed,
    domain::Tag,
    identity::{Caller, Permission},
};

/// Operation that lists the forms that wait for the caller.
pub(crate) struct MineApi {
    pub(crate) forms: Service,
}

#[OpenApi(prefix_path = "/v1", tag = "Tag::Forms")]
impl MineApi {
    /// List the forms that wait for the caller
    ///
    /// Returns the drafts about the patient who calls, each with definition and values, sorted by the time until which
    /// they should be submitted; those without one come last. Leaves out forms that are void and forms of appointments
    /// that were cancelled, missed or deleted. Writes an audit entry for each form. At most 20 forms are listed;
    /// further ones follow once these are submitted, and `form_list` lists all.
    #[oai(path = "/me/forms", method = "get", operation_id = "me_form_list")]
    async fn me_form_list(
        &self,
        caller: Caller,
        /// Language of the definitions; texts without a translation are in the language of the template. If left out,
        /// each form is in its own language.
        language: Query<Option<LanguageTag>>,
    ) -> Result<Disclosed<Json<DueForms>>, ApiError> {
        caller.may(Permission::OwnFormRead)?;
        let organization = caller.organization()?;
        Ok(self.forms.due(&caller, organization, language.0.as_ref()).await?.map(Json))
    }
}

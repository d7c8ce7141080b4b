use std::{fmt, marker::PhantomData};

use poem::{IntoResponse, Response};
use poem_openapi::{
    ApiResponse,
    registry::{MetaResponses, Registry},
};

use super::Mark;

/// Proof that an audit entry was written for a disclosure. A service implements it for one type, and only the module
/// that writes such entries can make a value of it.
pub trait Door {}

/// Protected health information that an audit entry was written for.
///
/// It comes from a service's [`Door`] and ends in the answer: a handler that returns it is marked `x-phi: true` in the
/// specification. It can be changed on the way, but not taken out, so that no operation answers with it without the
/// mark:
///
/// ```
/// # use poem_openapi::payload::Json;
/// # use server_shared::mark::{Disclosed, Door};
/// # struct Audited(());
/// # impl Door for Audited {}
/// fn patient_get(name: Disclosed<String, Audited>) -> Disclosed<Json<String>, Audited> {
///     name.map(Json)
/// }
/// ```
///
/// ```compile_fail,E0616
/// # use poem_openapi::payload::Json;
/// # use server_shared::mark::{Disclosed, Door};
/// # struct Audited(());
/// # impl Door for Audited {}
/// fn patient_get(name: Disclosed<String, Audited>) -> Json<String> {
///     Json(name.value)
/// }
/// ```
///
/// It needs a door's proof, which other code of the service can't make:
///
/// ```
/// # use server_shared::mark::{Disclosed, Door};
/// # mod database {
/// #     pub struct Audited(());
/// #     impl server_shared::mark::Door for Audited {}
/// #     pub fn commit() -> Audited { Audited(()) }
/// # }
/// let name = Disclosed::new("Grace", &database::commit());
/// ```
///
/// ```compile_fail,E0603
/// # use server_shared::mark::{Disclosed, Door};
/// # mod database {
/// #     pub struct Audited(());
/// #     impl server_shared::mark::Door for Audited {}
/// #     pub fn commit() -> Audited { Audited(()) }
/// # }
/// let name = Disclosed::new("Grace", &database::Audited(()));
/// ```
///
/// ```compile_fail,E0277
/// # use server_shared::mark::{Disclosed, Door};
/// # mod database {
/// #     pub struct Audited(());
/// #     impl server_shared::mark::Door for Audited {}
/// #     pub fn commit() -> Audited { Audited(()) }
/// # }
/// let name = Disclosed::new("Grace", &());
/// ```
#[must_use]
pub struct Disclosed<T, D: Door> {
    value: T,
    door: PhantomData<fn() -> D>,
}

impl<T, D: Door> Disclosed<T, D> {
    /// Lets `value` out; `door` proves that the audit entry for it is written.
    pub fn new(value: T, _door: &D) -> Self {
        Self { value, door: PhantomData }
    }

    /// Works on the value without letting it out.
    pub fn map<U>(self, work: impl FnOnce(T) -> U) -> Disclosed<U, D> {
        Disclosed { value: work(self.value), door: PhantomData }
    }

    /// Works on the value without letting it out; the work's error has nothing of it.
    pub fn try_map<U, E>(self, work: impl FnOnce(T) -> Result<U, E>) -> Result<Disclosed<U, D>, E> {
        work(self.value).map(|value| Disclosed { value, door: PhantomData })
    }
}

impl<T, D: Door> fmt::Debug for Disclosed<T, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Disclosed(…)")
    }
}

impl<T: IntoResponse, D: Door> IntoResponse for Disclosed<T, D> {
    fn into_response(self) -> Response {
        self.value.into_response()
    }
}

impl<T: ApiResponse, D: Door> ApiResponse for Disclosed<T, D> {
    fn meta() -> MetaResponses {
        let mut meta = T::meta();
        for media in meta.responses.iter_mut().flat_map(|response| &mut response.content) {
            media.schema = Mark::Disclosed.around(media.schema.clone());
        }
        meta
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

use poem_openapi::{Enum, Object};

/// Signature that a form asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Object)]
pub(crate) struct FormSigner {
    /// Role of the person who signs.
    pub(crate) signer: SignerRole,
    /// Meaning of the signature.
    pub(crate) meaning: SigningMeaning,
}

impl FormSigner {
    /// Signature of a form whose definition states none.
    pub(super) const USUAL: Self = Self { signer: SignerRole::Specialist, meaning: SigningMeaning::Completion };
}

/// Role in which a form is signed.
///
/// - `specialist`: a specialist who has access to the patient's record
/// - `patient`: the patient whom the form is about
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum SignerRole {
    /// A specialist.
    Specialist,
    /// The patient.
    Patient,
}

/// Meaning of a signature.
///
/// - `consent`: the signer agrees to what the form says
/// - `completion`: the signer states that the answers are complete and right
/// - `review`: the signer has read and checked the answers
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum SigningMeaning {
    /// The signer agrees.
    Consent,
    /// The answers are complete and right.
    Completion,
    /// The signer has checked the answers.
    Review,
}

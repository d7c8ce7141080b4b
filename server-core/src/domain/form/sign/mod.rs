//! Signatures of forms. The first one freezes the content; each is a statement that names the content's hash and the
//! hash of the signature before it, so that none can be taken out or changed unnoticed.

mod repository;
mod service;

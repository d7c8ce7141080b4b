//! Answers that become values of the patient's profile when a form gets its last signature.

mod service;

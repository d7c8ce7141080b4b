//! The table: a row a step, printed as it is done.

use std::future::Future;
use std::io::{IsTerminal as _, Write as _};

use anyhow::Result;

macro_rules! steps {
    ($($name:ident: $title:literal, $check:literal;)*) => {
        /// A step of the morning.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Step { $($name,)* }

        impl Step {
            /// Every step, in the order in which they are done.
            const ALL: &[Self] = &[$(Self::$name,)*];

            /// Title of the step: actor and action.
            fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }

            /// Condition that must hold.
            fn check(self) -> &'static str {
                match self { $(Self::$name => $check,)* }
            }
        }
    };
}

steps! {
    SignIn: "everybody signs in", "each token's user has its role in its clinic";
    Specialty: "admin creates a specialty", "201, as sent, and found again";
    Specialist: "admin creates a specialist", "201, practises the specialty, found by it";
    Patient: "admin creates a patient", "201, with everything that was sent";
    PatientRead: "front desk opens the patient", "contact data is there, clinical notes are not";
    CustomField: "admin creates a custom field", "there with its type, its key taken from then on";
    Profile: "front desk fills in the profile", "value found again, another one 422 with its pointer";
    Onboarding: "front desk onboards a namesake", "201, invited, with a hint at the patient entered before";
    Merge: "admin merges the two", "404 patient_merged, the patient's own value stays";
    FormDraft: "admin drafts a form with a fault", "named by draft, publishing (422) and preview (422)";
    FormPublish: "admin mends and publishes the form", "201, version 1, read with the same hash";
    FormPreview: "front desk previews the form", "score and band of the answers, hint from 3 points on";
    Visit: "front desk books a visit with its form", "201, due then, begun with the profile, attached once";
    FormFill: "patient fills in and submits the form", "found by me/forms, the missing answer named, scored";
    FormSign: "patient and specialist sign it", "one after the other, hashes chained, then 409";
    FormAmend: "specialist amends it", "another form, signed by both; the first one stays";
    Booking: "front desk books an appointment", "201, scheduled, at that time, found by its uid";
    DoubleBooking: "front desk books the time again", "409 slot_taken, nothing was booked";
    Segment: "admin groups patients by a rule", "a protected answer 422, the patient a member, explained";
    Export: "admin exports the members", "200, a table with the patient's row";
    Stranger: "another clinic's admin looks", "404 for appointment, patient and clinic";
    OwnRecord: "patient's page opens its record", "the patient's own, without clinical notes";
    NoConsent: "patient's page has no consent", "analytics, media and pose are withheld";
    Unconsented: "patient's page tracks all the same", "202, stored 0, dropped for no_consent";
    Consent: "patient consents", "all three granted, with version and text";
    Analytics: "patient's page tracks events", "202, all stored, one of them sent twice";
    Media: "patient's page tracks a session", "202, all events stored, from started to ended";
    Pose: "patient's page tracks pose frames", "202, all frames of 33 landmarks stored";
    Audit: "admin reads the audit trail", "each change and each read of personal data, by request";
    Summary: "admin reads the analytics summary", "each event after consent once, none from before";
}

/// Prints rows and remembers what failed.
pub(super) struct Report {
    done: usize,
    fault: Option<(Step, anyhow::Error)>,
}

impl Report {
    /// Prints the head of the table.
    pub(super) fn begin() -> Self {
        row("step", "check", "result");
        rule();
        Self { done: 0, fault: None }
    }

    /// Does a step and prints its row. `None` when it failed.
    pub(super) async fn step<T>(&mut self, step: Step, doing: impl Future<Output = Result<T>>) -> Option<T> {
        debug_assert_eq!(Step::ALL.get(self.done), Some(&step), "steps are done in the order of the table");
        self.done += 1;
        match doing.await {
            Ok(value) => {
                row(step.title(), step.check(), "ok");
                Some(value)
            }
            Err(error) => {
                row(step.title(), step.check(), "FAILED");
                self.fault = Some((step, error));
                None
            }
        }
    }

    /// Prints the steps that were not reached, and what went wrong. True if nothing did.
    pub(super) fn end(self) -> bool {
        for step in Step::ALL.iter().skip(self.done) {
            row(step.title(), step.check(), "skipped");
        }
        match self.fault {
            None => {
                println!("\nEverything held.");
                true
            }
            Some((step, error)) => {
                println!("\n{}: {error:#}", step.title());
                false
            }
        }
    }
}

fn width(texts: impl Fn(Step) -> &'static str) -> usize {
    Step::ALL.iter().map(|step| texts(*step).chars().count()).max().unwrap_or_default()
}

fn row(step: &str, check: &str, result: &str) {
    println!("| {step:<0$} | {check:<1$} | {result:<7} |", width(Step::title), width(Step::check));
}

fn rule() {
    println!("|{0:-<1$}|{0:-<2$}|{0:-<9}|", "", width(Step::title) + 2, width(Step::check) + 2);
}

/// Prints the step in progress; on a terminal in one line that the next row replaces.
pub(super) fn progress(text: &str) {
    let mut terminal = std::io::stderr();
    if terminal.is_terminal() {
        // A progress line that can't be shown is no reason to fail.
        let _ = write!(terminal, "\r{text:<78}\r");
        let _ = terminal.flush();
    } else {
        let _ = writeln!(terminal, "    {text}");
    }
}

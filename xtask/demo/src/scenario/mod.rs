//! A morning in a demo clinic, through the SDKs only. Each run makes things of its own with names of its own, so it
//! can be repeated against the same stack as often as one likes.

mod cast;
mod clinic;
mod form;
mod page;
mod payload;
mod profile;
mod report;
mod segment;
mod trail;
mod visit;

use std::path::Path;

use anyhow::{Context as _, Result};
use uuid::Uuid;

use self::report::{Report, Step};
use crate::stack::{self, ReadyStack};

/// Id that distinguishes this run from every other, for names that people see.
pub(crate) struct Run {
    id: String,
}

impl Run {
    fn new() -> Self {
        let id = Uuid::new_v4().simple().to_string();
        Self { id: id[..8].to_owned() }
    }

    /// `what`, of this run.
    pub(crate) fn name(&self, what: &str) -> String {
        format!("{what} {}", self.id)
    }

    /// `what`, of this run, for programs: no spaces.
    pub(crate) fn key(&self, what: &str) -> String {
        format!("{what}_{}", self.id)
    }
}

/// Plays the morning and prints its table. True if everything held.
pub(crate) async fn run(path: &Path) -> Result<bool> {
    let stack: ReadyStack = stack::read(path)?;
    let [home, other] = stack.organizations.as_slice() else {
        anyhow::bail!("{} does not name two clinics", path.display());
    };
    let cast = cast::Cast::new(&stack, home, other).context("cannot set up the clients")?;
    let run = Run::new();
    println!(
        "Core {}, Telemetry {}; {} with {} looking on; run {}\n",
        stack.core, stack.telemetry, home.slug, other.slug, run.id
    );
    let mut report = Report::begin();
    // `None` says that a step failed; the report knows which and why.
    let _ = Box::pin(play(&run, &cast, &mut report)).await;
    Ok(report.end())
}

async fn play(run: &Run, cast: &cast::Cast, report: &mut Report) -> Option<()> {
    let staff = report.step(Step::SignIn, cast.sign_in()).await?;
    let mut trail = trail::Trail::new(cast.home, staff);

    let clinic = clinic::Morning { run, cast };
    let specialty = report.step(Step::Specialty, clinic.specialty_create(&mut trail)).await?;
    let specialist = report.step(Step::Specialist, clinic.specialist_create(specialty, &mut trail)).await?;
    let patient = report.step(Step::Patient, clinic.patient_create(&mut trail)).await?;
    report.step(Step::PatientRead, clinic.patient_read(&patient, &mut trail)).await?;
    let field = report.step(Step::CustomField, clinic.custom_field(&mut trail)).await?;
    report.step(Step::Profile, clinic.profile_write(patient.id, &mut trail)).await?;
    let double = report.step(Step::Onboarding, clinic.onboard(&patient, &mut trail)).await?;
    report.step(Step::Merge, clinic.merge(&patient, &double, &mut trail)).await?;
    let draft = report.step(Step::FormDraft, clinic.form_draft(&field, &mut trail)).await?;
    report.step(Step::FormPublish, clinic.form_publish(&draft, &field, &mut trail)).await?;
    report.step(Step::FormPreview, clinic.form_preview(draft.id)).await?;
    let form = report.step(Step::Visit, clinic.visit_book(&draft, &mut trail)).await?;
    let form = report.step(Step::FormFill, clinic.form_fill(&form, &mut trail)).await?;
    let form = report.step(Step::FormSign, clinic.form_sign(&form, &mut trail)).await?;
    Box::pin(report.step(Step::FormAmend, clinic.form_amend(&form, &mut trail))).await?;
    let booked = report.step(Step::Booking, clinic.book(specialty, specialist, patient.id, &mut trail)).await?;
    report.step(Step::DoubleBooking, clinic.book_again(&booked, &mut trail)).await?;
    let segment = report.step(Step::Segment, clinic.segment_create(&draft, &patient, &mut trail)).await?;
    report.step(Step::Export, clinic.segment_export(segment, &patient)).await?;
    report.step(Step::Stranger, clinic.stranger(&booked)).await?;

    let page = page::Page::new(run, cast);
    report.step(Step::OwnRecord, page.own_record(&mut trail)).await?;
    report.step(Step::NoConsent, page.consent_withdraw()).await?;
    report.step(Step::Unconsented, page.track_unconsented()).await?;
    report.step(Step::Consent, page.consent_give()).await?;
    report.step(Step::Analytics, page.track()).await?;
    report.step(Step::Media, page.media()).await?;
    report.step(Step::Pose, page.pose()).await?;

    report.step(Step::Audit, trail.audit(&cast.admin_telemetry)).await?;
    report.step(Step::Summary, trail::summary(&page, &cast.admin_telemetry)).await
}

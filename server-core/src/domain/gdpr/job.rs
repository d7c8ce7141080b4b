//! The job of an erasure: stage after stage, each harmless when it is repeated, and recorded with what
//! it has done.
//!
//! 1. **Plan.** The rows are changed in a transaction that is rolled back: what the plan counts is what
//!    the receipt will count.
//! 2. **Records.** What the organization holds, in one transaction: nobody ever sees half of it.
//! 3. **Account.** Where the person itself asked for that, or whoever runs the platform did for all
//!    organizations; never for a clinic.
//! 4. **Files**, by their prefixes.
//! 5. **Outbox.** Audit rows that a forwarder took before their personal part went have to arrive, so
//!    that Telemetry's erasure finds them.
//! 6. **Telemetry's** own erasure.
//! 7. **The identity provider**, last, for its failing must hold up nothing else.

use std::time::Duration;

use async_trait::async_trait;
use restartix_sdk::telemetry;
use serde::{Deserialize, Serialize};

use super::{
    elsewhere::{TelemetryPart, storage_failed},
    event::ErasureEvent,
    model::{ErasureItem, ErasureMode, ErasureRecord, HoldingService, Subject},
    repository::{self, Person, Reach},
};
use crate::{
    database::{Database, DatabaseError, WriteTx},
    domain::{
        member,
        patient::PatientEvent,
        user::{self, UserEvent},
    },
    event::Events,
    holding::Holdings,
    identity::{Caller, Changed},
    ids::UserId,
    integration::{clerk::Users, s3::Storage},
    jobs::{Handler, JobError, JobRun, Outcome, Work},
};

/// What audit rows call the operation.
const OPERATION: &str = "gdpr_erasure";
/// How soon to look again at what somebody else has to do first.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Extent of an erasure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Scope {
    /// All data of the job's organization; without an organization, the data of all of them, and the account.
    #[default]
    Held,
    /// The account, and what is above organizations. What each of them holds is its own.
    Account,
}

/// An erasure that was asked for.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Erasure {
    pub(super) subject: Subject,
    pub(super) mode: ErasureMode,
    pub(super) dry_run: bool,
    #[serde(default)]
    pub(super) scope: Scope,
}

impl Erasure {
    /// The end of an account, with what is above organizations; of one that is left by its owner. To be
    /// enqueued above organizations.
    pub(crate) fn of_account(user: UserId) -> Self {
        Self { subject: Subject::User(user), mode: ErasureMode::Erase, dry_run: false, scope: Scope::Account }
    }
}

impl Work for Erasure {
    const KIND: &'static str = "gdpr_erasure";
    // A right, not a favour: tried until it is done.
    const ATTEMPTS: Option<i32> = None;
    // The proof that it was done (Art. 5(2) GDPR), as long as a claim can be made.
    const KEEP_DAYS: i32 = 3 * 366;

    fn key(&self) -> Option<String> {
        // What a dry run finds depends on when it looks: each one is its own.
        let key = || match self.scope {
            Scope::Held => self.subject.key(self.mode),
            Scope::Account => format!("account:{}", self.subject.id()),
        };
        (!self.dry_run).then(key)
    }
}

/// How far an erasure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Stage {
    #[default]
    Plan,
    Records,
    Account,
    Files,
    Outbox,
    Telemetry,
    IdentityProvider,
    Done,
}

/// What a job has recorded: ids and counts.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Progress {
    stage: Stage,
    pub(super) person: Person,
    pub(super) account: bool,
    pub(super) telemetry: Vec<TelemetryPart>,
    pub(super) plan: Vec<ErasureItem>,
    pub(super) receipt: Vec<ErasureItem>,
}

/// Erases people.
pub(crate) struct Eraser {
    pub(crate) database: Database,
    pub(crate) holdings: Holdings,
    pub(crate) storage: Storage,
    pub(crate) telemetry: telemetry::Client,
    pub(crate) clerk: Users,
    pub(crate) users: user::Service,
    pub(crate) members: member::Service,
}

#[async_trait]
impl Handler for Eraser {
    type Work = Erasure;

    async fn run(&self, work: Erasure, attempt: &JobRun) -> Result<Outcome, JobError> {
        let progress = serde_json::from_value(attempt.progress.clone())
            .map_err(|error| JobError::fatal("progress_unreadable", error))?;
        Run { eraser: self, work, attempt, progress }.run().await
    }
}

/// One attempt at one erasure.
pub(super) struct Run<'a> {
    pub(super) eraser: &'a Eraser,
    pub(super) work: Erasure,
    pub(super) attempt: &'a JobRun,
    pub(super) progress: Progress,
}

impl Run<'_> {
    async fn run(mut self) -> Result<Outcome, JobError> {
        loop {
            let stage = self.progress.stage;
            match stage {
                Stage::Plan => self.plan().await?,
                Stage::Records => self.records().await?,
                Stage::Account => self.account().await?,
                Stage::Files => self.files().await?,
                Stage::Outbox if self.in_hand().await? => return Ok(Outcome::Again(LOOK_AGAIN)),
                Stage::Outbox => self.progress.stage = Stage::Telemetry,
                Stage::Telemetry if !self.telemetry().await? => return Ok(Outcome::Again(LOOK_AGAIN)),
                Stage::Telemetry => {}
                Stage::IdentityProvider => self.identity_provider().await?,
                Stage::Done => return Ok(Outcome::Done),
            }
        }
    }

    /// Whoever can leave a job is not whoever may have somebody erased: that is asked again before anything is done.
    /// Once it has begun it goes on, whatever becomes of who asked.
    async fn check_asker(&self) -> Result<(), JobError> {
        let (asker, organization) = (self.attempt.asked_by, self.attempt.organization);
        let is_account = self.work.scope == Scope::Account;
        // Nobody asks but the service itself, told by the identity provider that the account is closed.
        if is_account && organization.is_none() && asker.is_none() {
            return Ok(());
        }
        // An account is no organization's.
        if !is_account || organization.is_none() {
            let mut tx = self.write_above().await?;
            if repository::may_erase(&mut tx, asker, organization, self.work.subject).await? {
                return Ok(());
            }
        }
        let tx = self.write().await?;
        tx.commit(ErasureEvent::Refused(ErasureRecord(self.attempt.id))).await?;
        Err(JobError::fatal("asker_not_allowed", "who asked for the erasure may not have it done"))
    }

    async fn plan(&mut self) -> Result<(), JobError> {
        self.check_asker().await?;
        let mut plan = Vec::new();
        if let (Scope::Account, Subject::User(user)) = (self.work.scope, self.work.subject) {
            self.progress.person = Person::account(user);
        } else {
            let mut tx = self.write().await?;
            self.progress.person = repository::person_get(&mut tx, self.work.subject).await?;
            plan = self.change_records(&mut tx).await?;
            // Rolled back.
            drop(tx);
        }
        self.progress.account = self.account_goes();
        if let Some(user) = self.progress.person.user.filter(|_| self.progress.account) {
            let mut tx = self.write_above().await?;
            self.change_account(&mut tx, &mut plan).await?;
            // None where an erasure before has ended it there.
            let named = repository::clerk_id(&mut tx, user).await?.is_some();
            plan.push(ErasureItem::deleted(HoldingService::Clerk, "users", "users".to_owned(), named.into()));
        }
        for prefix in &self.progress.person.files {
            let files = self.eraser.storage.list(prefix).await.map_err(storage_failed)?;
            plan.push(ErasureItem::deleted(HoldingService::Core, "s3", prefix.clone(), files.len() as u64));
        }
        self.progress.telemetry = self.telemetry_parts();
        self.progress.plan = plan;
        let next = match (self.work.dry_run, self.work.scope) {
            (true, _) => Stage::Telemetry,
            (false, Scope::Held) => Stage::Records,
            (false, Scope::Account) => Stage::Account,
        };
        let tx = self.write().await?;
        self.commit(tx, next, ErasureEvent::Planned(ErasureRecord(self.attempt.id))).await
    }

    async fn records(&mut self) -> Result<(), JobError> {
        let (mut tx, person) = self.hold().await?;
        self.progress.person = person;
        if let Some(user) = self.progress.person.user
            && self.eraser.members.is_last_admin(&mut tx, UserId(user)).await?
        {
            // Goes on when there is another.
            return Err(JobError::retry("last_admin", "the organization would be left without an administrator"));
        }
        self.progress.receipt = self.change_records(&mut tx).await?;
        self.forget_after(&mut tx);
        self.commit(tx, Stage::Account, self.event()).await
    }

    /// A transaction in which nobody books for the person or links it to a record, and its ids as they
    /// are in there: since the plan was made, there may be more.
    ///
    /// A booking holds its patient's lock from its start, so it has ended and is seen, or begins when the
    /// patient is a shell and finds none. A link refers to the membership, whose row is held here: it was
    /// made before and is read here, or it waits, and then there is no membership to refer to.
    /// What else refers to a patient record (acting as the patient) keeps that row from changing while it
    /// does so, and goes after it.
    async fn hold(&self) -> Result<(WriteTx, Person), JobError> {
        let mut locks = Vec::new();
        loop {
            let mut tx = self.eraser.database.write_locked(&self.caller(), locks.clone()).await?;
            repository::memberships_hold(&mut tx, self.work.subject).await?;
            let person = repository::person_get(&mut tx, self.work.subject).await?;
            let needed = repository::person_locks(&mut tx, &person).await?;
            if needed.iter().all(|lock| locks.contains(lock)) {
                return Ok((tx, person));
            }
            // From the start of another one: a lock that is taken after rows were would be taken in
            // another order than everybody's, and two would wait for each other.
            locks = needed;
        }
    }

    async fn account(&mut self) -> Result<(), JobError> {
        let mut tx = self.write_above().await?;
        // Asked again: an older version of this service may have planned it otherwise.
        self.progress.account = self.account_goes();
        let mut left = Vec::new();
        if let Some(user) = self.progress.person.user.filter(|_| self.progress.account) {
            repository::account_hold(&mut tx, user).await?;
            // What was added since, by who accepted an invitation in between.
            match self.work.scope {
                Scope::Held => drop(self.change_records(&mut tx).await?),
                Scope::Account => left = self.eraser.members.leave_all(&mut tx, UserId(user)).await?,
            }
            let mut receipt = std::mem::take(&mut self.progress.receipt);
            self.change_account(&mut tx, &mut receipt).await?;
            self.progress.receipt = receipt;
            self.forget_after(&mut tx);
        }
        self.progress.telemetry = self.telemetry_parts();
        self.commit(tx, Stage::Files, self.event().and(left)).await
    }

    /// An account is a person's own: it goes where the person said so, or whoever runs the platform named no
    /// organization. What an organization asks for ends what that organization holds.
    fn account_goes(&self) -> bool {
        self.attempt.organization.is_none() && matches!(self.work.subject, Subject::User(_))
    }

    /// Whether audit rows of the user's are on their way as they were before.
    async fn in_hand(&self) -> Result<bool, JobError> {
        let Some(user) = self.progress.person.user else { return Ok(false) };
        let mut tx = if self.progress.account { self.write_above().await? } else { self.write().await? };
        Ok(repository::outbox_in_hand(&mut tx, user).await?)
    }

    /// Does with each holding of the organizations what the registry says.
    async fn change_records(&self, tx: &mut WriteTx) -> Result<Vec<ErasureItem>, DatabaseError> {
        let (mode, person) = (self.work.mode, &self.progress.person);
        let mut items = Vec::new();
        for holding in self.eraser.holdings.iter().filter(|holding| !holding.account) {
            let rows = repository::holding_change(tx, holding, mode, person, Reach::Context).await?;
            items.push(ErasureItem::of(holding, mode, rows));
        }
        Ok(items)
    }

    /// The same with what is above organizations, which no organization's context shows.
    async fn change_account(&self, tx: &mut WriteTx, items: &mut Vec<ErasureItem>) -> Result<(), DatabaseError> {
        let (mode, person) = (self.work.mode, &self.progress.person);
        // Of everything, these were among the records.
        if self.work.scope == Scope::Account {
            for holding in self.eraser.holdings.iter().filter(|holding| !holding.account) {
                let rows = repository::holding_change(tx, holding, mode, person, Reach::Platform).await?;
                ErasureItem::of(holding, mode, rows).add_to(items);
            }
        }
        for holding in self.eraser.holdings.iter().filter(|holding| holding.account) {
            let rows = repository::holding_change(tx, holding, mode, person, Reach::Context).await?;
            ErasureItem::of(holding, mode, rows).add_to(items);
        }
        Ok(())
    }

    /// Commits a stage, and with it that it is done.
    pub(super) async fn commit(
        &mut self,
        mut tx: WriteTx,
        next: Stage,
        events: impl Into<Events>,
    ) -> Result<(), JobError> {
        self.progress.stage = next;
        self.attempt.record(&mut tx, &self.progress).await?;
        tx.commit(events).await?;
        Ok(())
    }

    /// Returns the event of the person whom it is about.
    pub(super) fn event(&self) -> Events {
        match (self.work.subject, self.work.dry_run, self.work.mode) {
            (Subject::User(user), true, _) => UserEvent::ErasurePlanned(user).into(),
            (Subject::User(user), false, ErasureMode::Erase) => UserEvent::Erased(user).into(),
            (Subject::User(user), false, ErasureMode::Anonymize) => UserEvent::Anonymized(user).into(),
            (Subject::Patient(patient), true, _) => PatientEvent::ErasurePlanned(patient).into(),
            (Subject::Patient(patient), false, ErasureMode::Erase) => PatientEvent::Erased(patient).into(),
            (Subject::Patient(patient), false, ErasureMode::Anonymize) => PatientEvent::Anonymized(patient).into(),
        }
    }

    /// Other processes hear of it by the triggers on what was changed.
    pub(super) fn forget_after(&self, tx: &mut WriteTx) {
        if let Some(user) = self.progress.person.user {
            tx.changed(Changed::User(UserId(user)));
        }
    }

    pub(super) async fn write(&self) -> Result<WriteTx, DatabaseError> {
        self.eraser.database.write(&self.caller()).await
    }

    fn caller(&self) -> Caller {
        Caller::job(self.attempt.organization, OPERATION, self.attempt.id)
    }

    /// For what belongs to no organization: the account, and where else its user is a member.
    async fn write_above(&self) -> Result<WriteTx, DatabaseError> {
        self.eraser.database.write(&Caller::job(None, OPERATION, self.attempt.id)).await
    }
}

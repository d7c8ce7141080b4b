//! Job of an erasure. It has several stages; each is idempotent and recorded in the transaction of its changes.
//!
//! 1. **Plan.** Changes the rows in a transaction that is rolled back, so that the plan counts like the receipt.
//! 2. **Records.** Erases the data of the organization in one transaction, so that no other one sees a part of it.
//! 3. **Account.** Erases the account, if the person or a superadmin without an organization requested the erasure;
//!    never for a clinic.
//! 4. **Files.** Deletes files by their prefixes.
//! 5. **Outbox.** Waits until audit rows that a forwarder claimed before their personal part was erased have arrived,
//!    so that Telemetry's erasure finds them.
//! 6. **Telemetry.** Requests Telemetry's own erasure.
//! 7. **Identity provider.** Deletes the user there; last, so that a failure there delays no other stage.

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
        export, member,
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

/// Name of the operation in audit rows.
const OPERATION: &str = "gdpr_erasure";
/// Pause before the job checks again for audit rows or jobs that it waits for.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Extent of an erasure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Scope {
    /// Data of the job's organization; without an organization, data of all organizations and the account.
    #[default]
    Held,
    /// The account and data outside organizations, but no data of an organization.
    Account,
}

/// Requested erasure.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Erasure {
    pub(super) subject: Subject,
    pub(super) mode: ErasureMode,
    pub(super) dry_run: bool,
    #[serde(default)]
    pub(super) scope: Scope,
}

impl Erasure {
    /// Creates the erasure of an account that its user leaves, with data outside organizations. It must be enqueued
    /// above organizations.
    pub(crate) fn of_account(user: UserId) -> Self {
        Self { subject: Subject::User(user), mode: ErasureMode::Erase, dry_run: false, scope: Scope::Account }
    }
}

impl Work for Erasure {
    const KIND: &'static str = "gdpr_erasure";
    // The person has a right to it, so it is retried until it is done.
    const ATTEMPTS: Option<i32> = None;
    // Proof of the erasure (Art. 5(2) GDPR), for as long as claims can be made.
    const KEEP_DAYS: i32 = 3 * 366;

    fn key(&self) -> Option<String> {
        // The result of a dry run depends on its time, so each request has a job of its own.
        let key = || match self.scope {
            Scope::Held => self.subject.key(self.mode),
            Scope::Account => format!("account:{}", self.subject.id()),
        };
        (!self.dry_run).then(key)
    }
}

/// Next stage of an erasure.
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

/// Recorded progress of a job: ids and counts.
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

/// Handler of erasures.
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

/// Attempt at an erasure.
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

    /// Checks that the requester may erase the person: the right to enqueue a job does not imply it. An erasure that
    /// has begun goes on, even if the requester loses the right.
    async fn check_asker(&self) -> Result<(), JobError> {
        let (asker, organization) = (self.attempt.asked_by, self.attempt.organization);
        let is_account = self.work.scope == Scope::Account;
        // The service itself requests it, after the identity provider has deleted the user.
        if is_account && organization.is_none() && asker.is_none() {
            return Ok(());
        }
        // No organization may erase an account.
        if !is_account || organization.is_none() {
            let mut tx = self.write_above().await?;
            if repository::may_erase(&mut tx, asker, organization, self.work.subject).await? {
                return Ok(());
            }
        }
        let tx = self.write().await?;
        tx.commit(ErasureEvent::Refused(ErasureRecord(self.attempt.id))).await?;
        Err(JobError::fatal("asker_not_allowed", "the requester is not permitted to erase the person"))
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
            // Rolls back.
            drop(tx);
        }
        self.progress.account = self.account_goes();
        if let Some(user) = self.progress.person.user.filter(|_| self.progress.account) {
            let mut tx = self.write_above().await?;
            self.change_account(&mut tx, &mut plan).await?;
            // None if an earlier erasure has deleted the user there.
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
            // Goes on when there is another administrator.
            return Err(JobError::retry("last_admin", "the organization would be left without an administrator"));
        }
        self.progress.receipt = self.change_records(&mut tx).await?;
        self.forget_after(&mut tx);
        self.commit(tx, Stage::Account, self.event()).await
    }

    /// Begins a transaction that locks out bookings for the person and links to it; returns it with the person's ids,
    /// which may be more than in the plan.
    ///
    /// A booking has its patient's lock from its start: it has ended and is visible here, or it starts after the
    /// erasure and finds no patient. A link refers to the membership, whose row is locked here: it is committed and
    /// visible here, or it waits and then finds no membership. An impersonation locks its patient record, and is erased
    /// after it.
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
            // Begins another transaction: a lock taken after rows would break the common order, and two transactions
            // could deadlock.
            locks = needed;
        }
    }

    async fn account(&mut self) -> Result<(), JobError> {
        let mut tx = self.write_above().await?;
        // Decided again: an older version of this service may have planned otherwise.
        self.progress.account = self.account_goes();
        let mut left = Vec::new();
        if let Some(user) = self.progress.person.user.filter(|_| self.progress.account) {
            repository::account_hold(&mut tx, user).await?;
            // Data added since, e.g. by an accepted invitation.
            match self.work.scope {
                Scope::Held => drop(self.change_records(&mut tx).await?),
                Scope::Account => left = self.eraser.members.leave_all(&mut tx, UserId(user)).await?,
            }
            let mut receipt = std::mem::take(&mut self.progress.receipt);
            self.change_account(&mut tx, &mut receipt).await?;
            self.progress.receipt = receipt;
            self.forget_after(&mut tx);
        }
        // Those that were asked for while the records were erased may have read them before.
        export::files_withdraw(&mut tx, &self.progress.person.files).await?;
        self.progress.telemetry = self.telemetry_parts();
        self.commit(tx, Stage::Files, self.event().and(left)).await
    }

    /// Returns true if the account is erased, too: if the person or a superadmin without an organization requested the
    /// erasure. A request of an organization covers only the data of that organization.
    fn account_goes(&self) -> bool {
        self.attempt.organization.is_none() && matches!(self.work.subject, Subject::User(_))
    }

    /// Returns true if a forwarder still sends audit rows of the user with their personal part.
    async fn in_hand(&self) -> Result<bool, JobError> {
        let Some(user) = self.progress.person.user else { return Ok(false) };
        let mut tx = if self.progress.account { self.write_above().await? } else { self.write().await? };
        Ok(repository::outbox_in_hand(&mut tx, user).await?)
    }

    /// Applies the registry's fate to each holding of organizations.
    async fn change_records(&self, tx: &mut WriteTx) -> Result<Vec<ErasureItem>, DatabaseError> {
        let (mode, person) = (self.work.mode, &self.progress.person);
        let mut items = Vec::new();
        for holding in self.eraser.holdings.iter().filter(|holding| !holding.account) {
            let rows = repository::holding_change(tx, holding, mode, person, Reach::Context).await?;
            items.push(ErasureItem::of(holding, mode, rows));
        }
        Ok(items)
    }

    /// Applies the registry's fate to each holding outside organizations.
    async fn change_account(&self, tx: &mut WriteTx, items: &mut Vec<ErasureItem>) -> Result<(), DatabaseError> {
        let (mode, person) = (self.work.mode, &self.progress.person);
        // With the scope `Held` these were among the records.
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

    /// Commits a stage and its completion.
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

    /// Returns the event of the person.
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

    /// Makes this process forget the user after the commit; triggers notify the other processes.
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

    /// Begins a transaction above organizations, for the account and the user's other memberships.
    async fn write_above(&self) -> Result<WriteTx, DatabaseError> {
        self.eraser.database.write(&Caller::job(None, OPERATION, self.attempt.id)).await
    }
}

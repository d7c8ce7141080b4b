//! Registry of every column that identifies or describes a person: how its rows are found, and what erasure
//! does with them. Erasure and export read this registry only; a test compares it with the real schemas, and
//! fails for a column that is neither here nor in its list of impersonal columns.

use std::fmt::{self, Write as _};

/// Store that holds a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Store {
    PostgreSql,
    ClickHouse,
}

impl Store {
    /// Returns the name that answers use.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::PostgreSql => "postgresql",
            Self::ClickHouse => "clickhouse",
        }
    }
}

/// Way in which the rows of a person are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// The column holds the id of the user in Core.
    User(&'static str),
    /// The column holds the id of the patient record in Core.
    Patient(&'static str),
    /// The column holds the id of an audit entry about an action of the user. The actor of an impersonation is the
    /// impersonator.
    AuditEntry(&'static str),
    /// `entity_type` and `entity_id`, or one of `entity_ids`, name the user or patient.
    Entity,
    /// `subject_kind` and `subject_id` name the user or patient of an erasure that was carried out.
    Erasure,
    /// `subject_kind` and `subject_id` name the user or patient of a finished dry run.
    DryRun,
    /// The column holds the pseudonym of the user in the row's organization.
    Pseudonym(&'static str),
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(column) => write!(f, "user:{column}"),
            Self::Patient(column) => write!(f, "patient:{column}"),
            Self::AuditEntry(column) => write!(f, "audit_entry:{column}"),
            Self::Entity => f.write_str("entity:entity_id"),
            Self::Erasure => f.write_str("erasure:subject_id"),
            Self::DryRun => f.write_str("dry_run:subject_id"),
            Self::Pseudonym(column) => write!(f, "pseudonym:{column}"),
        }
    }
}

/// Effect of an erasure on rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Deletes the rows.
    Delete,
    /// Keeps the rows, but removes the person's data by these assignments.
    Anonymize(&'static str),
    /// Keeps the rows unchanged.
    Retain {
        /// Legal reason for keeping the rows.
        reason: &'static str,
        /// End of the retention, in words, e.g. `three years after the erasure`.
        until: &'static str,
    },
}

/// Columns of a table in which a person is found in one way. A table in which people are found in several ways
/// has several holdings.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Holding {
    pub store: Store,
    pub table: &'static str,
    pub found: Found,
    pub columns: &'static [&'static str],
    /// Effect of the mode `erase`.
    pub erase: Fate,
    /// Effect of the mode `anonymize`, which keeps the rows that can be kept without naming anybody.
    pub anonymize: Fate,
}

impl Holding {
    /// Returns the name of the holding in jobs, which stays the same when the registry grows.
    pub(crate) fn key(&self) -> String {
        format!("{} {} {}", self.store.as_str(), self.table, self.found)
    }

    /// Returns the personal columns of the same table that describe other people, e.g. the user who acted on the
    /// person's record. An export leaves them out.
    pub(crate) fn columns_of_others(&self) -> Vec<&'static str> {
        HOLDINGS
            .iter()
            .filter(|other| (other.store, other.table) == (self.store, self.table) && other.found != self.found)
            .flat_map(|other| other.columns)
            .filter(|column| !self.columns.contains(column))
            .copied()
            .collect()
    }
}

const TRAIL: Fate = Fate::Retain {
    reason: "proof of who accessed and changed health records (Art. 5(2), 17(3)(b) and (e), 32 GDPR): chained and \
             append-only. It holds only ids, which identify nobody once Core has erased the account",
    until: "the end of the retention of that month in the audit trail",
};

const DERIVED: Fate = Fate::Retain {
    reason: "proof of the misuse of access to health records (Art. 5(2), 17(3)(b) and (e), 32 GDPR), derived from the \
             audit trail. It holds only ids, which identify nobody once Core has erased the account",
    until: "the end of the retention of that month in the audit trail",
};

const PROOF: Fate = Fate::Retain {
    reason: "proof that the erasure was requested and carried out (Art. 5(2) and 12 GDPR); late audit events of the \
             person are recognized by it",
    until: "three years after the erasure",
};

const SHUT: Fate = Fate::Retain {
    reason: "prevents the use of tokens that were issued to the person before (Art. 32 GDPR): anybody who holds one could \
             otherwise use it until it expires. It holds only an id",
    until: "a day after the time of the revocation",
};

/// Holdings of personal data, in the order in which they are erased.
///
/// Consents are deleted in both modes: their proof is needed as long as the data that they permitted is kept,
/// and the same job deletes that data; and a proof that named nobody would prove nothing. Sessions of calls and
/// body landmarks cannot be anonymized: time and appointment identify the person of a session, and movements
/// are personal in themselves. So the mode `anonymize` deletes them, too.
pub(crate) const HOLDINGS: &[Holding] = &[
    Holding {
        store: Store::PostgreSql,
        table: "audit.audit_personal",
        found: Found::AuditEntry("audit_id"),
        columns: &["ip", "user_agent", "client_request_id", "salt"],
        erase: Fate::Delete,
        anonymize: Fate::Delete,
    },
    Holding {
        store: Store::PostgreSql,
        table: "audit.audit_logs",
        found: Found::User("actor_user_id"),
        columns: &["actor_user_id"],
        erase: TRAIL,
        anonymize: TRAIL,
    },
    Holding {
        store: Store::PostgreSql,
        table: "audit.audit_logs",
        found: Found::User("impersonator_user_id"),
        columns: &["impersonator_user_id"],
        erase: TRAIL,
        anonymize: TRAIL,
    },
    Holding {
        store: Store::PostgreSql,
        table: "audit.audit_logs",
        found: Found::Entity,
        columns: &["entity_id", "entity_ids"],
        erase: TRAIL,
        anonymize: TRAIL,
    },
    Holding {
        store: Store::PostgreSql,
        table: "security.sightings",
        found: Found::AuditEntry("audit_id"),
        columns: &["subject", "object"],
        erase: Fate::Delete,
        anonymize: Fate::Delete,
    },
    Holding {
        store: Store::PostgreSql,
        table: "security.security_events",
        found: Found::User("actor_user_id"),
        columns: &["actor_user_id", "subject"],
        erase: DERIVED,
        anonymize: DERIVED,
    },
    Holding {
        store: Store::PostgreSql,
        table: "ops.access_revocations",
        found: Found::User("user_id"),
        columns: &["user_id"],
        erase: SHUT,
        anonymize: SHUT,
    },
    Holding {
        store: Store::ClickHouse,
        table: "analytics_events",
        found: Found::Pseudonym("actor"),
        columns: &["actor", "page", "properties", "numbers", "network", "ip_hash", "agent", "os", "device"],
        erase: Fate::Delete,
        // Type, time and role (patient, staff) of an event still count in statistics.
        anonymize: Fate::Anonymize(
            "actor = toFixedString('', 32), ip_hash = toFixedString('', 32), page = '', properties = map(), \
             numbers = map(), network = '', agent = '', os = '', device = ''",
        ),
    },
    Holding {
        store: Store::ClickHouse,
        table: "media_sessions",
        found: Found::Pseudonym("actor"),
        columns: &[
            "session_id",
            "actor",
            "appointment_id",
            "end_reason",
            "sequences",
            "active_slots",
            "stalls",
            "qualities",
            "exercises",
            "network",
            "agent",
            "os",
            "device",
        ],
        erase: Fate::Delete,
        anonymize: Fate::Delete,
    },
    Holding {
        store: Store::ClickHouse,
        table: "media_bandwidth_samples",
        found: Found::Pseudonym("actor"),
        columns: &["session_id", "actor", "uplink_kbps", "downlink_kbps", "round_trip_ms", "packet_loss"],
        erase: Fate::Delete,
        anonymize: Fate::Delete,
    },
    Holding {
        store: Store::ClickHouse,
        table: "pose_frames",
        found: Found::Pseudonym("actor"),
        columns: &["session_id", "actor", "exercise_id", "landmarks"],
        erase: Fate::Delete,
        anonymize: Fate::Delete,
    },
    // The following holdings come last: by then, decisions made at the moment the erasure began have been stored.
    Holding {
        store: Store::PostgreSql,
        table: "privacy.consents",
        found: Found::User("subject_id"),
        columns: &["subject_id", "text_version", "source"],
        erase: Fate::Delete,
        anonymize: Fate::Delete,
    },
    Holding {
        store: Store::PostgreSql,
        table: "privacy.patient_consents",
        found: Found::Patient("patient_id"),
        columns: &["patient_id", "text_version", "source"],
        erase: Fate::Delete,
        anonymize: Fate::Delete,
    },
    Holding {
        store: Store::PostgreSql,
        table: "privacy.patient_joins",
        found: Found::Patient("patient_id"),
        columns: &["patient_id"],
        erase: Fate::Delete,
        anonymize: Fate::Delete,
    },
    Holding {
        store: Store::PostgreSql,
        table: "privacy.patient_joins",
        found: Found::User("user_id"),
        columns: &["user_id"],
        erase: Fate::Delete,
        anonymize: Fate::Delete,
    },
    // Comes before the deletion below, so that each of them counts the rows that the plan counted.
    Holding {
        store: Store::PostgreSql,
        table: "privacy.exclusions",
        found: Found::User("created_by"),
        columns: &["created_by"],
        erase: Fate::Anonymize("created_by = null"),
        anonymize: Fate::Anonymize("created_by = null"),
    },
    Holding {
        store: Store::PostgreSql,
        table: "privacy.exclusions",
        found: Found::User("subject_id"),
        columns: &["subject_id"],
        erase: Fate::Delete,
        anonymize: Fate::Delete,
    },
    Holding {
        store: Store::PostgreSql,
        table: "privacy.erasures",
        found: Found::Erasure,
        columns: &["subject_id"],
        erase: PROOF,
        anonymize: PROOF,
    },
    // A dry run changed nothing, so there is nothing to prove.
    Holding {
        store: Store::PostgreSql,
        table: "privacy.erasures",
        found: Found::DryRun,
        columns: &["subject_id"],
        erase: Fate::Delete,
        anonymize: Fate::Delete,
    },
];

/// Returns the registry as text: store, table, column, way in which the person is found, effect of `erase`,
/// effect of `anonymize`; separated by tabs.
pub(crate) fn printed() -> String {
    let mut text = String::new();
    for holding in HOLDINGS {
        for column in holding.columns {
            let (store, table, found) = (holding.store.as_str(), holding.table, holding.found);
            let (erase, anonymize) = (said(holding.erase), said(holding.anonymize));
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{store}\t{table}\t{column}\t{found}\t{erase}\t{anonymize}");
        }
    }
    text
}

fn said(fate: Fate) -> String {
    match fate {
        Fate::Delete => "delete".to_owned(),
        Fate::Anonymize(_) => "anonymize".to_owned(),
        Fate::Retain { reason, until } => format!("retain({reason}; until {until})"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn keys_tell_holdings_apart() {
        let keys: BTreeSet<String> = HOLDINGS.iter().map(Holding::key).collect();
        assert_eq!(keys.len(), HOLDINGS.len());
    }

    #[test]
    fn an_export_tells_nothing_of_others() {
        let entries =
            |found| HOLDINGS.iter().find(|holding| holding.table == "audit.audit_logs" && holding.found == found);
        let about = entries(Found::Entity).unwrap();
        assert_eq!(about.columns_of_others(), ["actor_user_id", "impersonator_user_id"]);
    }
}

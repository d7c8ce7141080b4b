use super::model::ExportRecord;
use crate::event::Event;

/// Event of an export.
#[derive(Debug, Clone)]
pub(crate) enum ExportEvent {
    /// A file was asked for; names the entity and the columns.
    Requested(ExportRecord, Vec<String>),
    /// Rows are about to leave the service; names the entity, their number and the columns.
    Exported(ExportRecord, Vec<String>),
    /// Rows are about to be written into a file; names the entity, their number and the columns.
    Started(ExportRecord, Vec<String>),
    /// Every row has left, or is in the file; their number.
    Completed(ExportRecord, u64),
    /// The export ended before its last row: the number of rows that have left, and the code of the reason.
    Failed(ExportRecord, u64, &'static str),
    /// The job of a file has failed for good, or the file was withdrawn.
    FileFailed(ExportRecord, String),
    /// The file was deleted: its time was over, or it may have held a person who was erased.
    FileDeleted(ExportRecord),
}

impl Event for ExportEvent {
    type Of = ExportRecord;

    fn of(&self) -> ExportRecord {
        match self {
            Self::Requested(export, _)
            | Self::Exported(export, _)
            | Self::Started(export, _)
            | Self::Completed(export, _)
            | Self::Failed(export, ..)
            | Self::FileFailed(export, _)
            | Self::FileDeleted(export) => *export,
        }
    }

    fn verb(&self) -> &'static str {
        match self {
            Self::Requested(..) => "requested",
            Self::Exported(..) => "exported",
            Self::Started(..) => "started",
            Self::Completed(..) => "completed",
            Self::Failed(..) | Self::FileFailed(..) => "failed",
            Self::FileDeleted(_) => "file_deleted",
        }
    }

    fn changed_keys(&self) -> Vec<String> {
        match self {
            Self::Requested(_, names) | Self::Exported(_, names) | Self::Started(_, names) => names.clone(),
            Self::Completed(_, rows) | Self::Failed(_, rows, _) => vec![rows_name(*rows)],
            Self::FileFailed(..) | Self::FileDeleted(_) => Vec::new(),
        }
    }

    fn failure(&self) -> Option<String> {
        match self {
            Self::Failed(_, _, code) => Some((*code).to_owned()),
            Self::FileFailed(_, code) => Some(code.clone()),
            _ => None,
        }
    }
}

/// Returns a number of rows as audit entries name it.
pub(super) fn rows_name(rows: u64) -> String {
    format!("rows:{rows}")
}

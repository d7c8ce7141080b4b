//! File descriptors for connections, of which the operating system limits the number.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Descriptors reserved for pools, stores and files, so that many connections can't cut the service off from its
/// databases.
const RESERVE: u64 = 512;

/// Raises the limit to a descriptor for each of `connections`, as far as allowed. Returns the number of connections
/// that have one.
pub(super) fn provide(connections: usize) -> usize {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return connections };
    let (raised, provided) = divide(soft, hard, connections);
    let provided = match raised {
        None => provided,
        Some(limit) if setrlimit(Resource::RLIMIT_NOFILE, limit, hard).is_ok() => provided,
        Some(_) => divide(soft, soft, connections).1,
    };
    if provided < connections {
        tracing::warn!(
            connections = provided,
            configured = connections,
            "the limit of open files (ulimit -n) allows fewer connections than CONNECTIONS_MAX"
        );
    }
    provided
}

/// Returns the limit to set, if the present one is too low, and the number of connections that have a descriptor.
fn divide(soft: u64, hard: u64, connections: usize) -> (Option<u64>, usize) {
    let wanted = u64::try_from(connections).unwrap_or(u64::MAX).saturating_add(RESERVE);
    let limit = soft.max(wanted.min(hard));
    // With very few, half are for the stores.
    let room = limit.saturating_sub(RESERVE.min(limit / 2));
    ((limit > soft).then_some(limit), connections.min(usize::try_from(room).unwrap_or(usize::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stores_keep_descriptors_whatever_the_limit() {
        assert_eq!(divide(1_024, 524_288, 10_000), (Some(10_512), 10_000), "raised as far as needed");
        assert_eq!(divide(1_048_576, 1_048_576, 10_000), (None, 10_000), "never lowered");
        assert_eq!(divide(1_024, 4_096, 10_000), (Some(4_096), 3_584), "raised as far as it may be");
        assert_eq!(divide(256, 256, 10_000), (None, 128));
    }
}

//! Allocator of both servers: mimalloc, which takes less time and memory than glibc's for the many small values of a
//! request (decision 49). Builds with debug assertions count what it allocates, and tests compare that with ceilings.

#[cfg(debug_assertions)]
use cap::Cap;
use mimalloc::MiMalloc;

/// Allocator of a server, for its `#[global_allocator]`.
#[cfg(not(debug_assertions))]
pub type Allocator = MiMalloc;
/// Allocator of a server, for its `#[global_allocator]`.
#[cfg(debug_assertions)]
pub type Allocator = Cap<MiMalloc>;

/// Builds the allocator.
pub const fn new() -> Allocator {
    #[cfg(not(debug_assertions))]
    return MiMalloc;
    #[cfg(debug_assertions)]
    return Cap::new(MiMalloc, usize::MAX);
}

/// Returns the number of bytes that `allocator` has allocated so far; `None` in builds that do not count them.
#[cfg(not(debug_assertions))]
pub fn allocated(_: &Allocator) -> Option<u64> {
    None
}

/// Returns the number of bytes that `allocator` has allocated so far; `None` in builds that do not count them.
#[cfg(debug_assertions)]
pub fn allocated(allocator: &Allocator) -> Option<u64> {
    u64::try_from(allocator.total_allocated()).ok()
}

//! Measurements that nobody scrapes take no memory of their own.

use std::{alloc::System, time::Duration};

use cap::Cap;
use server_shared::{http::metrics::Metrics, shutdown::Shutdown};

#[global_allocator]
static MEMORY: Cap<System> = Cap::new(System, usize::MAX);

const SAMPLES: usize = 100_000;
/// Bytes that a sample takes until it is folded.
const SAMPLE: usize = size_of::<f64>();

fn request() {
    metrics::counter!("http_requests_total", "operation" => "thing_get", "status" => "2xx").increment(1);
    metrics::histogram!("http_request_duration_seconds", "operation" => "thing_get").record(0.004);
}

/// Bytes that are held now, beside `before`.
fn kept(before: usize) -> usize {
    MEMORY.allocated().saturating_sub(before)
}

/// Moves the paused clock on, second by second, and lets whatever waits for it have its turn.
async fn pass(duration: Duration) {
    for _ in 0..duration.as_secs() {
        tokio::time::advance(Duration::from_secs(1)).await;
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_of_requests_that_nobody_scrapes_does_not_grow() {
    let jobs = Shutdown::new();
    let _metrics = Metrics::install(&jobs).expect("the recorder of this process");
    let minute = Duration::from_mins(1);
    request();
    pass(minute).await;
    let before = MEMORY.allocated();
    // Without a moment in between nothing is folded: this is what would be kept, and that it is seen.
    (0..SAMPLES).for_each(|_| request());
    let unfolded = kept(before);
    assert!(unfolded >= SAMPLES * SAMPLE, "{unfolded} bytes are fewer than the samples have");
    // Folded at the next turn, and given back some turns after.
    for _ in 0..20 {
        pass(minute).await;
        request();
    }
    let folded = kept(before);
    assert!(folded < SAMPLES * SAMPLE / 10, "{folded} bytes of {unfolded} are kept of {SAMPLES} requests");
    // A thousand requests a second.
    for _ in 0..SAMPLES / 1_000 {
        (0..1_000).for_each(|_| request());
        pass(Duration::from_secs(1)).await;
    }
    let running = kept(before);
    assert!(running < SAMPLES * SAMPLE / 10, "{running} bytes are kept of as many requests, one after the other");
    assert!(jobs.drain(minute).await, "the job ends when the service does");
}

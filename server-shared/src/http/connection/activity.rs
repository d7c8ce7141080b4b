//! Activity of a connection, from which its deadline is computed.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use hyper::body::{Body, Bytes, Frame, SizeHint};
use tokio::time::Instant;

/// Reason why this service closed a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Overdue {
    /// The peer did not send all headers of a request in time.
    Headers,
    /// The peer sent no further request.
    Idle,
    /// The peer did not read an answer.
    Stalled,
}

impl Overdue {
    /// Returns its name in metrics.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Headers => "headers",
            Self::Idle => "idle",
            Self::Stalled => "stalled",
        }
    }
}

/// Longest times for which a connection waits for its peer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// From the first byte of a request's headers to the last; for the first request, from the connection on.
    pub(super) headers: Duration,
    /// Without a request, and without any progress of an answer.
    pub(super) idle: Duration,
}

impl Patience {
    /// Returns the shortest of these times.
    pub(super) fn least(&self) -> Duration {
        self.headers.min(self.idle)
    }

    /// Returns the patience of a service that is stopping: a request under way keeps its time, and an idle connection
    /// gets none.
    pub(super) fn parting(self) -> Self {
        const PARTING: Duration = Duration::from_secs(1);
        Self { headers: self.headers.min(PARTING), idle: self.idle.min(PARTING) }
    }
}

/// Activity of one connection, shared by the connection, which may have many requests at once, and their answers.
#[derive(Debug)]
pub(super) struct Activity(Mutex<State>);

#[derive(Debug)]
struct State {
    /// The connection speaks HTTP/2, on which bytes are no sign of a request.
    http2: bool,
    /// Requests whose answers are not sent completely.
    requests: usize,
    /// Requests among them that wait for this service, not for the peer.
    ours: usize,
    /// Time of the last activity for a request.
    since: Instant,
    /// Time at which the wait for headers began.
    awaited: Option<Instant>,
}

impl Activity {
    /// Makes the activity of a new connection, which waits for the headers of its first request.
    pub(super) fn new() -> Arc<Self> {
        let now = Instant::now();
        let state = State { http2: false, requests: 0, ours: 0, since: now, awaited: Some(now) };
        Arc::new(Self(Mutex::new(state)))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that bytes were received.
    pub(super) fn heard(&self) {
        let mut state = self.state();
        if state.requests == 0 && !state.http2 {
            state.awaited.get_or_insert_with(Instant::now);
        }
    }

    /// Notes that the headers of a request are complete. The request is under way for as long as the guard lives.
    pub(super) fn begin(self: &Arc<Self>, http2: bool) -> UnderWay {
        let mut state = self.state();
        state.http2 = http2;
        state.requests += 1;
        state.ours += 1;
        state.awaited = None;
        drop(state);
        UnderWay { activity: Arc::clone(self), ours: true }
    }

    /// Returns the time at which the connection is to be closed, and the reason; `None` while a request waits for this
    /// service, which has limits of its own.
    pub(super) fn due(&self, patience: &Patience) -> Option<(Instant, Overdue)> {
        let state = self.state();
        match (state.requests, state.ours, state.awaited) {
            (0, _, Some(awaited)) => Some((awaited + patience.headers, Overdue::Headers)),
            (0, _, None) => Some((state.since + patience.idle, Overdue::Idle)),
            (_, 0, _) => Some((state.since + patience.idle, Overdue::Stalled)),
            _ => None,
        }
    }
}

/// A request that is under way.
#[derive(Debug)]
pub(super) struct UnderWay {
    activity: Arc<Activity>,
    ours: bool,
}

impl UnderWay {
    /// Notes whether the request waits for this service (`true`) or the peer.
    fn ours(&mut self, ours: bool) {
        let mut state = self.activity.state();
        state.since = Instant::now();
        match (self.ours, ours) {
            (false, true) => state.ours += 1,
            (true, false) => state.ours -= 1,
            _ => {}
        }
        drop(state);
        self.ours = ours;
    }

    /// Wraps the answer's body, with which the request ends.
    pub(super) fn answered<B>(mut self, body: B) -> Answer<B> {
        self.ours(false);
        Answer { body, request: self }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.ours(false);
        self.activity.state().requests -= 1;
    }
}

/// Body of an answer, which notes that the peer reads it.
#[derive(Debug)]
pub(super) struct Answer<B> {
    body: B,
    request: UnderWay,
}

impl<B: Body<Data = Bytes> + Unpin> Body for Answer<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.body).poll_frame(cx);
        this.request.ours(polled.is_pending());
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience { headers: Duration::from_secs(2), idle: Duration::from_secs(9) };

    fn due(activity: &Activity, began: Instant) -> Option<(u64, Overdue)> {
        activity.due(&PATIENCE).map(|(at, why)| ((at - began).as_secs(), why))
    }

    async fn pass(seconds: u64) {
        tokio::time::advance(Duration::from_secs(seconds)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_do_not_move_the_deadline_of_headers() {
        let began = Instant::now();
        let activity = Activity::new();
        pass(1).await;
        activity.heard();
        assert_eq!(due(&activity, began), Some((2, Overdue::Headers)), "the first request's, from the connection on");
        drop(activity.begin(false));
        assert_eq!(due(&activity, began), Some((10, Overdue::Idle)));
        pass(4).await;
        activity.heard();
        pass(1).await;
        activity.heard();
        assert_eq!(due(&activity, began), Some((7, Overdue::Headers)), "the second's, from its first byte on");
    }

    #[tokio::test(start_paused = true)]
    async fn frames_of_http2_keep_nothing_open() {
        let began = Instant::now();
        let activity = Activity::new();
        drop(activity.begin(true));
        pass(5).await;
        activity.heard();
        assert_eq!(due(&activity, began), Some((9, Overdue::Idle)));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_nobody_takes_falls_due_and_one_that_is_made_does_not() {
        let began = Instant::now();
        let activity = Activity::new();
        let (one, mut other) = (activity.begin(true), activity.begin(true));
        assert_eq!(due(&activity, began), None, "both are being worked on");
        pass(1).await;
        let answer = one.answered(());
        assert_eq!(due(&activity, began), None, "one is being worked on");
        pass(1).await;
        other.ours(false);
        assert_eq!(due(&activity, began), Some((11, Overdue::Stalled)), "both wait for the peer");
        pass(1).await;
        other.ours(true);
        assert_eq!(due(&activity, began), None, "the peer took what there was and waits for more");
        drop(other);
        assert_eq!(due(&activity, began), Some((12, Overdue::Stalled)));
        drop(answer);
        assert_eq!(due(&activity, began), Some((12, Overdue::Idle)));
    }
}

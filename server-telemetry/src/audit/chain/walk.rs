//! Checks the links of a chain one after the other, independently of any store.

use std::{collections::VecDeque, fmt};

use super::{
    canonical::{Event, link_hash},
    link::{Head, Link, Tip},
    model::{AuditFault, AuditFaultKind},
};

/// Progress of a check along a chain.
pub(super) struct Walk<'a> {
    /// Last link that was checked, or the beginning of the check.
    tip: Tip,
    /// Position up to which months were dropped: links may be missing there, but those that exist must be valid.
    start: i64,
    /// Signed heads that are still to be compared, in their order.
    heads: VecDeque<Head>,
    /// Returns `true` for a head that Telemetry signed.
    genuine: &'a (dyn Fn(&Head) -> bool + Sync),
}

impl fmt::Debug for Walk<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Walk").field("tip", &self.tip).field("start", &self.start).finish_non_exhaustive()
    }
}

impl<'a> Walk<'a> {
    /// Starts after `tip`, with `heads` to be compared.
    pub(super) fn new(tip: Tip, start: i64, heads: Vec<Head>, genuine: &'a (dyn Fn(&Head) -> bool + Sync)) -> Self {
        Self { tip, start, heads: heads.into(), genuine }
    }

    /// Returns the position of the last link that was checked.
    pub(super) fn position(&self) -> i64 {
        self.tip.position
    }

    /// Checks the head at which a shortened chain begins.
    pub(super) fn begin(&mut self, start: &Tip) -> Result<(), AuditFault> {
        let fault = |kind| Err(AuditFault::at(kind, start.position, None));
        match self.heads.front() {
            Some(head) if head.position == start.position && head.hash == start.hash => self.pass_heads(),
            Some(head) if head.position == start.position => fault(AuditFaultKind::HeadMismatch),
            _ => fault(AuditFaultKind::ForgedHead),
        }
    }

    /// Checks `link`, which seals `event`.
    pub(super) fn step(&mut self, link: &Link, event: Option<&Event>) -> Result<(), AuditFault> {
        let fault = |kind| Err(AuditFault::at(kind, link.position, Some(link.audit_id)));
        if link.position > self.start {
            if link.position != self.tip.position + 1 {
                return Err(AuditFault::at(AuditFaultKind::MissingLink, self.tip.position + 1, None));
            }
            if link.previous != self.tip.hash {
                return fault(AuditFaultKind::BrokenLink);
            }
        }
        let Some(event) = event else { return fault(AuditFaultKind::MissingEvent) };
        if link_hash(&link.previous, event, &link.digests()) != link.hash {
            return fault(AuditFaultKind::AlteredEvent);
        }
        if link.encoding != event.encoding(&link.digests()) {
            return fault(AuditFaultKind::BrokenLink);
        }
        if !link.digests().agree(event) {
            return fault(AuditFaultKind::AlteredPersonal);
        }
        if link.position == self.start && link.hash != self.tip.hash {
            return fault(AuditFaultKind::HeadMismatch);
        }
        if link.position > self.start {
            self.tip = link.tip();
        }
        self.pass_heads()
    }

    /// Compares the heads at the positions that have been reached with the chain.
    pub(super) fn pass_heads(&mut self) -> Result<(), AuditFault> {
        while let Some(head) = self.heads.pop_front_if(|head| head.position <= self.tip.position) {
            let fault = |kind| Err(AuditFault::at(kind, head.position, Some(head.audit_id)));
            if !(self.genuine)(&head) {
                return fault(AuditFaultKind::ForgedHead);
            }
            if head.position == self.tip.position && head.hash != self.tip.hash {
                return fault(AuditFaultKind::HeadMismatch);
            }
        }
        Ok(())
    }

    /// Checks that the chain does not end before its last signed head.
    pub(super) fn end(&self) -> Result<(), AuditFault> {
        let Some(head) = self.heads.front() else { return Ok(()) };
        let kind = if (self.genuine)(head) { AuditFaultKind::Truncated } else { AuditFaultKind::ForgedHead };
        Err(AuditFault::at(kind, self.tip.position + 1, None))
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};
    use uuid::Uuid;

    use super::{super::canonical::tests::event, *};

    fn chain(count: u128) -> Vec<(Link, Event)> {
        let mut tip = Tip::BEGINNING;
        let mut chain = Vec::new();
        for number in 1..=count {
            let event = Event { id: Uuid::from_u128(number), ..event() };
            let link = Link::after(&tip, &event);
            tip = link.tip();
            chain.push((link, event));
        }
        chain
    }

    fn head(link: &Link) -> Head {
        Head {
            organization_id: 1,
            day: DateTime::<Utc>::UNIX_EPOCH.naive_utc().date(),
            position: link.position,
            audit_id: link.audit_id,
            hash: link.hash,
            signed_at: DateTime::<Utc>::UNIX_EPOCH,
            kid: String::new(),
            statement: "genuine".to_owned(),
        }
    }

    fn genuine(head: &Head) -> bool {
        head.statement == "genuine"
    }

    fn walk(chain: &[(Link, Event)], heads: Vec<Head>) -> Result<i64, (AuditFaultKind, Option<i64>)> {
        let mut walk = Walk::new(Tip::BEGINNING, 0, heads, &genuine);
        chain
            .iter()
            .try_for_each(|(link, event)| walk.step(link, Some(event)))
            .and_then(|()| walk.end())
            .map(|()| walk.position())
            .map_err(|fault| (fault.kind, fault.position))
    }

    #[test]
    fn a_whole_chain_is_walked_to_its_end() {
        let chain = chain(5);
        assert_eq!(walk(&chain, vec![head(&chain[2].0), head(&chain[4].0)]), Ok(5));
        assert_eq!(walk(&[], Vec::new()), Ok(0));
    }

    #[test]
    fn the_first_broken_link_is_named() {
        use AuditFaultKind::{AlteredEvent, BrokenLink, HeadMismatch, MissingEvent, MissingLink, Truncated};
        let whole = chain(5);
        let mut altered = whole.clone();
        altered[1].1.action = "read".to_owned();
        altered[3].1.action = "read".to_owned();
        assert_eq!(walk(&altered, Vec::new()), Err((AlteredEvent, Some(2))));

        let mut refused = whole.clone();
        refused[2].1.error_code = Some("permission_denied".to_owned());
        assert_eq!(walk(&refused, Vec::new()), Err((AlteredEvent, Some(3))), "added later");

        let mut renumbered = whole.clone();
        renumbered[2].0.encoding = 2;
        assert_eq!(walk(&renumbered, Vec::new()), Err((BrokenLink, Some(3))));

        let mut removed = whole.clone();
        removed.remove(2);
        assert_eq!(walk(&removed, Vec::new()), Err((MissingLink, Some(3))));

        let mut swapped = whole.clone();
        swapped.swap(1, 2);
        (swapped[1].0.position, swapped[2].0.position) = (2, 3);
        assert_eq!(walk(&swapped, Vec::new()), Err((BrokenLink, Some(2))));

        let mut over = Walk::new(Tip::BEGINNING, 0, Vec::new(), &genuine);
        assert_eq!(over.step(&whole[0].0, None).map_err(|fault| fault.kind), Err(MissingEvent));

        assert_eq!(walk(&whole[..3], vec![head(&whole[4].0)]), Err((Truncated, Some(4))));
        // A chain rewritten as a whole, with hashes that fit.
        let rewritten: Vec<(Link, Event)> = {
            let mut tip = Tip::BEGINNING;
            let events = whole.iter().map(|(_, event)| Event { outcome: "failed".to_owned(), ..event.clone() });
            let link = |event: Event| {
                let link = Link::after(&tip, &event);
                tip = link.tip();
                (link, event)
            };
            events.map(link).collect()
        };
        assert_eq!(walk(&rewritten, Vec::new()), Ok(5), "only a head can tell");
        assert_eq!(walk(&rewritten, vec![head(&whole[4].0)]), Err((HeadMismatch, Some(5))));
    }

    #[test]
    fn a_head_that_we_did_not_sign_is_forged() {
        let chain = chain(3);
        for at in [1, 2] {
            let forged = Head { statement: "forged".to_owned(), ..head(&chain[at].0) };
            assert_eq!(walk(&chain, vec![forged]), Err((AuditFaultKind::ForgedHead, Some(chain[at].0.position))));
        }
    }

    #[test]
    fn a_walk_that_is_gone_on_with_at_a_head_agrees_with_it() {
        let chain = chain(3);
        let last = &chain[2].0;
        let resume = |heads: Vec<Head>| {
            let mut walk = Walk::new(last.tip(), last.position, heads, &genuine);
            walk.pass_heads().and_then(|()| walk.end()).map_err(|fault| (fault.kind, fault.position))
        };
        assert_eq!(resume(vec![head(last)]), Ok(()), "nothing follows, and the head is where the chain ends");
        let other = Head { hash: [1; 32], ..head(last) };
        assert_eq!(resume(vec![other]), Err((AuditFaultKind::HeadMismatch, Some(3))));
        let forged = Head { statement: "forged".to_owned(), ..head(last) };
        assert_eq!(resume(vec![forged]), Err((AuditFaultKind::ForgedHead, Some(3))));
        let ahead = Head { position: 4, ..head(last) };
        assert_eq!(resume(vec![ahead]), Err((AuditFaultKind::Truncated, Some(4))));
    }

    #[test]
    fn a_shortened_chain_begins_at_a_head() {
        let chain = chain(6);
        let start = Tip { position: 3, ..chain[2].0.tip() };
        let begin = |heads: Vec<Head>| {
            let mut walk = Walk::new(start, 3, heads, &genuine);
            walk.begin(&start).map(|()| walk).map_err(|fault| fault.kind)
        };
        let mut whole = begin(vec![head(&chain[2].0), head(&chain[5].0)]).unwrap();
        // Before the start, the event of a month that was not dropped still exists.
        for (link, event) in [&chain[1], &chain[3], &chain[4], &chain[5]] {
            whole.step(link, Some(event)).unwrap();
        }
        assert_eq!((whole.position(), whole.end()), (6, Ok(())));
        assert_eq!(begin(vec![head(&chain[5].0)]).unwrap_err(), AuditFaultKind::ForgedHead);
        let mut other = head(&chain[2].0);
        other.hash = [1; 32];
        assert_eq!(begin(vec![other]).unwrap_err(), AuditFaultKind::HeadMismatch);
    }
}

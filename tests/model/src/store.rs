//! The store: takes a write on the live item or does not, as the domain says, and lets the observer
//! see every change.

use domain::SessionId;
use domain::live::{Item, State as Lock, Version, Write};
use domain::status::{Shown, Status};

use crate::decisions::{Told, apply};
use crate::kept::{Keep as _, Kept};
use crate::properties::Broken;
use crate::reduce::without_history;
use crate::state::State;
use crate::{Bounds, Plant, names};

impl State {
    /// What this write would leave now; None where its condition fails.
    #[must_use]
    pub(crate) fn permits(&self, bounds: &Bounds, write: Kept<Write>) -> Option<Kept<Item>> {
        apply(self.as_compared(bounds, write), self.item)
    }

    /// The store gets the write and answers.
    pub(crate) fn write(&mut self, bounds: &Bounds, write: Kept<Write>) -> Told {
        if let Some(left) = self.permits(bounds, write) {
            let left = without_history(bounds, left);
            self.change(bounds, left);
            return Told::Done(left);
        }
        match self.item {
            Some(found) if counts_as_done(bounds, &write, &found) => Told::Done(found),
            found => Told::Rejected(found),
        }
    }

    /// The write with the condition that the store compares.
    fn as_compared(&self, bounds: &Bounds, write: Kept<Write>) -> Kept<Write> {
        let Some(found) = self.item else { return write };
        match &*write {
            Write::Acquire(acquire) if bounds.breaks(Plant::NoSequenceCompare) => {
                let mut acquire = acquire.clone();
                acquire.seen = acquire.seen.map(|seen| Version {
                    sequence: found.version.sequence,
                    ..seen
                });
                Write::Acquire(acquire).keep()
            }
            Write::Acquire(_)
            | Write::GoLive { .. }
            | Write::Grace { .. }
            | Write::Offline { .. }
            | Write::End { .. } => write,
        }
    }

    fn change(&mut self, bounds: &Bounds, left: Kept<Item>) {
        let broken = self.breach(&left);
        self.seen.broken = self.seen.broken.or(broken);
        self.seen.top = self.seen.top.max(left.version);
        let session = left.session_id.as_ref().map_or(0, bit_of);
        match left.state {
            Lock::Live => self.seen.aired |= session,
            // One that was never LIVE leaves no trace: its attempt may try again with its id.
            Lock::Offline => self.seen.ended |= session & self.seen.aired,
            Lock::Starting | Lock::Grace => {}
        }
        if let Some(attempt) = left
            .attempt_id
            .as_ref()
            .filter(|_| left.version.sequence == 0)
        {
            let publish = &mut self.publishes[names::publish_of(attempt)];
            publish.late = self.retired && publish.key == 1 && publish.stage.is_here();
        }
        let deleted = is_over(&left) && bounds.breaks(Plant::ItemDeleted);
        self.item = (!deleted).then_some(left);
    }

    /// The promise that this change breaks.
    fn breach(&self, left: &Item) -> Option<Broken> {
        if !follows(self.seen.top, left.version) {
            return Some(Broken::History);
        }
        let session = left.session_id.as_ref().filter(|_| !is_over(left));
        if session.is_some_and(|id| self.seen.ended & bit_of(id) != 0) {
            return Some(Broken::EndedSessionCameBack);
        }
        let before = self.item?;
        if before.state == Lock::Starting
            && left.state == Lock::Grace
            && left.grace_until != before.grace_until
        {
            return Some(Broken::GraceProlonged);
        }
        let changes = shown(Some(&before)) != shown(Some(left));
        (left.state == Lock::Starting && changes).then_some(Broken::StartingShown)
    }
}

fn shown(item: Option<&Item>) -> Shown {
    Status::of(item, names::janitors_clock()).shown
}

fn bit_of(session: &SessionId) -> u8 {
    1 << names::session_of(session)
}

fn is_over(item: &Item) -> bool {
    item.state == Lock::Offline
}

/// One generation more from the beginning, or one change more within it.
fn follows(before: Version, after: Version) -> bool {
    let acquired = Version {
        generation: before.generation + 1,
        sequence: 0,
    };
    after == before.next() || after == acquired
}

fn counts_as_done(bounds: &Bounds, write: &Write, found: &Item) -> bool {
    if !bounds.breaks(Plant::IdempotenceByOwner) {
        return write.left(found);
    }
    let mine = match write {
        Write::Acquire(acquire) => Some(&acquire.claim.owner),
        Write::GoLive { owner, .. } | Write::Grace { owner, .. } | Write::End { owner, .. } => {
            Some(owner)
        }
        Write::Offline { .. } => None,
    };
    mine.is_some() && found.owner.as_ref() == mine
}

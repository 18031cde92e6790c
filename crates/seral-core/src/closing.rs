//! How a mailbox is closed, is kept warm, and ends; and what keeps it from that.
//!
//! A mailbox that was closed is drained when everything is finished. That is found in [`Mailbox::look_round`]; what follows depends on
//! whether it is *kept warm*. If not, its workers go home and it is over. If so, its gate is shut and the same is announced, but its
//! workers stay where they wait: it can be opened again, at once and with all that they know. Three things end that:
//!
//! - it is opened again, by [`Mailbox::open`] or [`Mailbox::reserve`];
//! - it is [revived](Mailbox::pin_away) for a job that names this version, and is drained again when that is finished;
//! - it is [cooled](Mailbox::cool) or [sealed](Mailbox::seal): then its workers go home.

use crate::end::Drained;
use crate::end::End;
use crate::end::NotWarm;
use crate::gate::Gate;
use crate::gate::Refusal;
use crate::limit::Limit;
use crate::mailbox::Mailbox;
use crate::queue::Queued;
use crate::wakes::Wakes;

impl<T: Queued, W> Mailbox<T, W> {
    // ---- what keeps it from being drained ----------------------------------------------------------------------------

    /// Counts a job that names this version and waits elsewhere, or is about to come, so that the version waits for it until
    /// [`unpin_away`](Self::unpin_away). A mailbox that is warm is revived by that, `true`: it lets jobs in again that name this version, and if nothing
    /// comes it is drained again, which is announced again.
    ///
    /// # Errors
    ///
    /// [`Refusal::Gate`] when the version takes no such job any more.
    pub fn pin_away(&mut self) -> Result<bool, Refusal> {
        let is_revived = self.end == End::Warm;
        if is_revived {
            self.end = End::Closing;
            self.gate = Gate::Pinned;
        } else if self.gate == Gate::Shut {
            return Err(Refusal::Gate);
        }
        self.pins_away += 1;
        Ok(is_revived)
    }

    /// Keeps the mailbox from being drained, whatever its gate, until [`unpin_away`](Self::unpin_away). One that is warm stays warm, or
    /// is opened again, until then.
    ///
    /// # Errors
    ///
    /// [`Drained`] when it is too late: it is drained, or sealed.
    pub fn steady(&mut self) -> Result<(), Drained> {
        if self.end.is_final() {
            return Err(Drained);
        }
        self.pins_away += 1;
        Ok(())
    }

    /// A job counted by [`pin_away`](Self::pin_away) has come or is gone, or what [`steady`](Self::steady) was for is done.
    pub fn unpin_away(&mut self) -> Wakes<W> {
        self.pins_away -= 1;
        let mut wakes = Wakes::none();
        self.look_round(&mut wakes);
        wakes
    }

    /// As [`steady`](Self::steady), for somebody who is about to decide something, until [`release`](Self::release). It is not in the
    /// [counts](Self::counts): it is no job, and over at once.
    ///
    /// # Errors
    ///
    /// As for [`steady`](Self::steady).
    pub fn detain(&mut self) -> Result<(), Drained> {
        self.steady()?;
        self.detained += 1;
        Ok(())
    }

    /// What [`detain`](Self::detain) was for is done.
    pub fn release(&mut self) -> Wakes<W> {
        self.detained -= 1;
        self.unpin_away()
    }

    // ---- closing -----------------------------------------------------------------------------------------------------

    /// Lets only jobs in that name this version: it begins to drain. All waiting senders are woken, to go elsewhere.
    pub fn narrow(&mut self) -> Wakes<W> {
        self.close_to(Gate::Pinned)
    }

    /// Lets no job in. All waiting senders are woken, to go elsewhere.
    pub fn shut(&mut self) -> Wakes<W> {
        self.close_to(Gate::Shut)
    }

    /// As [`shut`](Self::shut), and for good: it cannot be opened again, and is not kept warm. If it is warm, it is announced once more:
    /// whoever seals it waits for that.
    pub fn seal(&mut self) -> Wakes<W> {
        self.kept = false;
        if self.end == End::Warm {
            self.end = End::Closing;
        }
        let wakes = self.close_to(Gate::Shut);
        if self.end == End::Closing {
            self.end = End::Sealed;
        }
        wakes
    }

    fn close_to(&mut self, gate: Gate) -> Wakes<W> {
        let mut wakes = Wakes::none();
        if self.end.is_final() || self.end == End::Warm {
            return wakes;
        }
        self.gate = gate;
        self.quota.set(Limit::None);
        self.end = End::Closing;
        wakes.others.extend(self.line.wake(usize::MAX));
        self.look_round(&mut wakes);
        wakes
    }

    // ---- kept warm ---------------------------------------------------------------------------------------------------

    /// Says what happens when it is drained: whether it is kept warm. It is not, unless this was called. One that is warm stays so; one
    /// that is sealed or drained is not kept.
    pub fn keep_warm(&mut self, kept: bool) {
        self.kept = kept && !self.end.is_final();
    }

    /// Ends a mailbox that is warm: its workers go home. The caller knows that it is drained, so that is not announced.
    ///
    /// # Errors
    ///
    /// [`NotWarm`], and nothing has changed.
    pub fn cool(&mut self) -> Result<Wakes<W>, NotWarm> {
        // Nothing else is to be looked at: whatever is unfinished came in through a gate, and this one is shut since all was finished.
        if self.end != End::Warm || self.pins_away > 0 {
            return Err(NotWarm);
        }
        let mut wakes = Wakes::none();
        self.finish(&mut wakes);
        Ok(wakes)
    }

    // ---- what is the case --------------------------------------------------------------------------------------------

    /// Which new jobs may come in.
    pub fn gate(&self) -> Gate {
        self.gate
    }

    /// Whether it was drained and is kept warm.
    pub fn is_warm(&self) -> bool {
        self.end == End::Warm
    }

    /// Whether it was drained for good: it is not kept warm.
    pub fn is_drained(&self) -> bool {
        self.end == End::Drained
    }
}

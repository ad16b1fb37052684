//! Tells the guard how a request that passed was answered; once, also when the exchange is dropped.

use super::Supervisor;
use crate::policy::{Answered, Outcome, Subject};
use std::sync::Arc;

/// Over one request.
pub(in crate::proxy) struct Watch {
    supervisor: Arc<Supervisor>,
    subject: Subject,
    /// What was told so far.
    told: Option<Answered>,
}

impl Watch {
    pub(super) fn new(supervisor: Arc<Supervisor>, subject: Subject) -> Self {
        Self { supervisor, subject, told: None }
    }

    /// The head of the final answer is here; told before a byte of it goes out, so that what the client asks next finds
    /// it counted.
    pub(in crate::proxy) fn answered(&mut self, status: u16, stream: bool) {
        self.tell(Answered::of(self.subject, status, stream));
    }

    /// The answer is over; `refused`: an error in its stream refused the credential.
    pub(in crate::proxy) fn ended(&mut self, refused: bool) {
        if self.told == Some(Answered::Begun) {
            self.tell(if refused { Answered::Refused } else { Answered::Accepted });
        }
    }

    fn tell(&mut self, answered: Answered) {
        let late = self.told == Some(Answered::Begun);
        if self.told.is_some() && !late {
            return;
        }
        self.told = Some(answered);
        let elapsed = self.supervisor.begun.elapsed();
        if let Some(guard) = &mut self.supervisor.state().guard {
            guard.observe(&Outcome { subject: self.subject, answered, late, elapsed });
        }
        self.supervisor.changed.notify_waiters();
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if self.told.is_none() {
            self.tell(Answered::Otherwise);
        }
    }
}

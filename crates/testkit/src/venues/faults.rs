//! What may befall an order on its way.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// What happens to the next order that is sent, or to its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// It is taken, and the answer never comes.
    TimeoutThenFilled,
    /// It is lost, and no answer ever comes.
    TimeoutThenAbsent,
    /// The connection breaks before it is taken.
    DroppedBefore,
    /// The connection breaks after it is taken, before the answer.
    DroppedAfter,
    /// It is taken, and the answer is a 5xx.
    ServerErrorAfter,
    /// It is refused, in an answer whose status is 200.
    ErrorInSuccess,
    /// It is taken, and the answer is a 200 that nobody can read.
    UnreadableSuccess,
    /// It is not taken: too many requests.
    RateLimited,
    /// It is not taken: a penalty that names a ticket, with which it is taken at the second try.
    PenaltyTicket,
    /// It is not taken: the session's token has expired.
    TokenExpired,
    /// It is not taken: the venue is being maintained.
    Maintenance,
    /// It is taken, and its status is a word that no document knows.
    UnknownStatus,
    /// It is taken, and fills while its cancel is on the way.
    FillsBeforeCancel,
}

/// What happens to the reports on the stream from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StreamFault {
    /// The stream breaks; nothing is sent until the next connection.
    Gap,
    /// Every report comes twice.
    Duplicated,
    /// Reports of the next order come in reverse.
    Reordered,
    /// Reports come before the answer to the order.
    Early,
}

impl Fault {
    /// Every one.
    pub const ALL: &'static [Self] = &[
        Self::TimeoutThenFilled,
        Self::TimeoutThenAbsent,
        Self::DroppedBefore,
        Self::DroppedAfter,
        Self::ServerErrorAfter,
        Self::ErrorInSuccess,
        Self::UnreadableSuccess,
        Self::RateLimited,
        Self::PenaltyTicket,
        Self::TokenExpired,
        Self::Maintenance,
        Self::UnknownStatus,
        Self::FillsBeforeCancel,
    ];
}

impl StreamFault {
    /// Every one.
    pub const ALL: &'static [Self] = &[Self::Gap, Self::Duplicated, Self::Reordered, Self::Early];
}

/// What will happen, in turn.
#[derive(Debug, Default)]
pub struct Script(Mutex<VecDeque<Fault>>);

impl Script {
    /// The order after those already planned for meets this.
    pub fn plan(&self, fault: Fault) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push_back(fault);
    }

    /// What the present order meets.
    pub fn next(&self) -> Option<Fault> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    /// What the present order meets where it is one of `those`; others stay planned.
    pub fn next_of(&self, those: &[Fault]) -> Option<Fault> {
        let mut planned = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if planned.front().is_some_and(|fault| those.contains(fault)) { planned.pop_front() } else { None }
    }
}

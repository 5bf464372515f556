//! The last look before an order leaves.

use std::time::Duration;

use atomik_domain::{Approved, HaltMode};
use atomik_ports::broker::SubmitOutcome;

/// An approval older than this is worth nothing: halts and ages are looked at again.
const APPROVAL_LIFE_US: i64 = 500_000;
/// When an order is tried again that had to stay for what may be over soon.
const PAUSE: Duration = Duration::from_secs(1);

/// How things stand at the moment at which an order that the gate let pass is about to leave.
#[derive(Clone, Copy, Debug)]
pub struct Departure<'a> {
    /// Whether the strategy is there and runs.
    pub is_active: bool,
    /// The strongest halt that covers the order, and its reason.
    pub halt: Option<&'a (HaltMode, String)>,
    /// How long ago the gate let it pass, by whichever clock says longer.
    pub approved_us_ago: i64,
    /// Whether the account is connected.
    pub is_connected: bool,
    /// Whether this node's leases are good.
    pub is_leased: bool,
    /// Whether this node knows what other nodes have changed, and knew when the gate let the order pass.
    pub is_informed: bool,
}

impl Departure<'_> {
    /// Lets the order leave, or says why it has to stay.
    ///
    /// # Errors
    /// [`SubmitOutcome::NotSent`], with the reason.
    pub fn check(&self, approved: &Approved) -> Result<(), SubmitOutcome> {
        // Asks the gate about what has come while the order was being recorded: a halt, a pause, a deletion.
        if let Err(denial) = approved.last_look(self.is_active, self.halt) {
            return Err(stays(&denial.detail, Duration::ZERO));
        }
        if self.approved_us_ago > APPROVAL_LIFE_US {
            return Err(stays("It took too long to record the order before sending it.", Duration::ZERO));
        }
        if !self.is_connected {
            return Err(stays("The broker account is not connected.", PAUSE));
        }
        if !self.is_leased || !self.is_informed {
            return Err(stays("This node could not reach the store in time.", PAUSE));
        }
        Ok(())
    }
}

/// An order that has not left.
pub(super) fn stays(reason: &str, retry_after: Duration) -> SubmitOutcome {
    SubmitOutcome::NotSent { reason: reason.to_owned(), retry_after }
}

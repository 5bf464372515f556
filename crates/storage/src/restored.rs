//! What both engines say of a restored system.

/// Why it is halted.
pub(crate) const WHY_HALTED: &str = "These books were restored from a backup, and the broker accounts may have traded since. Compare the \
     positions, adopt or flatten what differs, and then lift this halt.";

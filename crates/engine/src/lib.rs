//! What turns a request into a recorded fill: intake, planning, submission, recovery.
//!
//! Decisions are pure (`lane::state`, and `atomik-domain`); thin runners record, then perform, then feed the results back.

mod accounts;
mod at_rest;
mod cluster;
mod committer;
pub mod engine;
mod equity;
pub mod events;
pub mod explain;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod housekeeping;
pub mod intake;
pub mod lane;
mod lanes;
mod marks;
mod meters;
pub mod recovery;
mod registry;
pub mod settings;
mod ticks;
mod work;

pub use cluster::{ClusterParts, Informed, Moment, Tenure, Watching};
pub use engine::{AccountState, AccountStatus, Engine, EngineParts, FlattenReport, Readiness, StartError};
pub use events::{Event, EventBody, EventLog, RelayedEvent, Subscription};
pub use explain::{Explanation, StrategyExplanation};
pub use intake::{Answer, Inbound, Malformed};
pub use lane::LaneKey;
pub use lanes::Difference;
pub use marks::Mark;
pub use meters::Depths;
pub use settings::EngineSettings;

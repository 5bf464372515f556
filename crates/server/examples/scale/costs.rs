//! What takes how long, and where that is from. "Measured" is the table in docs/performance.md, on the machine it names.

use crate::simulation::Nanos;

const MICROSECOND: Nanos = 1_000;
const MILLISECOND: Nanos = 1_000 * MICROSECOND;
/// A second.
pub const SECOND: Nanos = 1_000 * MILLISECOND;

// Measured: "PostgreSQL + Redis, a signal: processor time", under load and one signal at a time. A signal costs a part of its
// own and its part of what each transaction costs, so the two tell both parts.

/// Signals a transaction, under load.
const LOADED_BATCH: Nanos = 30;
const NODE_LOADED: Nanos = 60 * MICROSECOND;
const NODE_ALONE: Nanos = 400 * MICROSECOND;
const POSTGRES_LOADED: Nanos = 44 * MICROSECOND;
const POSTGRES_ALONE: Nanos = 500 * MICROSECOND;
/// A question to Redis.
pub const REDIS_QUESTION: Nanos = 15 * MICROSECOND;
/// Measured: "one signal at a time: p50".
pub const ALONE_P50: Nanos = 2_000 * MICROSECOND;
/// Measured: "log bytes a signal".
pub const LOG_BYTES: u64 = 900;

const fn each_transaction(alone: Nanos, loaded: Nanos) -> Nanos {
    (alone - loaded) * LOADED_BATCH / (LOADED_BATCH - 1)
}

/// A node's processor time for a transaction, whatever is in it.
pub const NODE_TRANSACTION: Nanos = each_transaction(NODE_ALONE, NODE_LOADED);
/// A node's processor time for a signal.
pub const NODE_SIGNAL: Nanos = NODE_ALONE - NODE_TRANSACTION;
/// PostgreSQL's processor time for a transaction.
pub const POSTGRES_TRANSACTION: Nanos = each_transaction(POSTGRES_ALONE, POSTGRES_LOADED);
/// PostgreSQL's processor time for a signal.
pub const POSTGRES_SIGNAL: Nanos = POSTGRES_ALONE - POSTGRES_TRANSACTION;
/// What a flush of the log takes, but for its bytes: what is left of a lone signal's time when nobody computes.
pub const FLUSH: Nanos = ALONE_P50 - NODE_ALONE - POSTGRES_ALONE - REDIS_QUESTION;

// The program's own limits.

/// From a request's head to its answer (crates/http/src/webhooks).
pub const ANSWER_LIMIT: Nanos = 2 * SECOND;
/// How long a signal waits for its commit to begin (crates/engine/src/settings.rs).
pub const COMMIT_PATIENCE: Nanos = 1_500 * MILLISECOND;
/// The most signals in a transaction (crates/engine/src/committer.rs).
pub const MAX_BATCH: usize = 1_024;
/// The most questions to Redis under way, how long one may take, and the first pause after one has taken longer
/// (crates/storage/src/redis/link.rs).
pub const MAX_QUESTIONS: usize = 1_024;
pub const REDIS_TIMEOUT: Nanos = 150 * MILLISECOND;
pub const REDIS_PAUSE: Nanos = 100 * MILLISECOND;
/// `trading.max_waiting_deliveries` (crates/server/src/default.toml).
pub const DEFAULT_MAX_WAITING: usize = 10_000;

// Assumed: the machines.

/// Cores of a node.
pub const NODE_CORES: usize = 8;
/// Cores of a PostgreSQL server.
pub const POSTGRES_CORES: usize = 32;
/// Between a node and its servers, there and back: machines of one data center.
pub const ROUND_TRIP: Nanos = 200 * MICROSECOND;
/// What a disk takes of the log.
pub const LOG_BYTES_A_SECOND: u64 = 1_000_000_000;

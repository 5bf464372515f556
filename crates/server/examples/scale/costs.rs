//! What takes how long, and where that is from.

use crate::simulation::Nanos;

const MICROSECOND: Nanos = 1_000;
const MILLISECOND: Nanos = 1_000 * MICROSECOND;
/// A second.
pub const SECOND: Nanos = 1_000 * MILLISECOND;

// Measured, on the machine that docs/scaling.md names under "What a signal costs". A signal costs a part of its own and its part of
// what each transaction costs, so two sizes of transactions tell both parts.

/// Signals a transaction, over 256 connections and over 64.
const LARGE_BATCH: Nanos = 72;
const SMALL_BATCH: Nanos = 20;
/// Processor time a signal, in the same two.
const NODE_IN_LARGE: Nanos = 34 * MICROSECOND;
const NODE_IN_SMALL: Nanos = 37 * MICROSECOND;
const POSTGRES_IN_LARGE: Nanos = 18 * MICROSECOND;
const POSTGRES_IN_SMALL: Nanos = 24 * MICROSECOND;
/// Processor time of Redis a signal, with one node.
pub const REDIS_SIGNAL: Nanos = 10 * MICROSECOND;
/// One signal at a time: p50.
pub const ALONE_P50: Nanos = 1_640 * MICROSECOND;
/// Bytes of the log a signal.
pub const LOG_BYTES: u64 = 729;

/// `in_small - in_large` is what a transaction costs, divided by `SMALL_BATCH`, less the same divided by `LARGE_BATCH`.
const fn each_transaction(in_small: Nanos, in_large: Nanos) -> Nanos {
    (in_small - in_large) * SMALL_BATCH * LARGE_BATCH / (LARGE_BATCH - SMALL_BATCH)
}

/// A node's processor time for a transaction, whatever is in it.
pub const NODE_TRANSACTION: Nanos = each_transaction(NODE_IN_SMALL, NODE_IN_LARGE);
/// A node's processor time for a signal.
pub const NODE_SIGNAL: Nanos = NODE_IN_SMALL - NODE_TRANSACTION / SMALL_BATCH;
/// PostgreSQL's processor time for a transaction.
pub const POSTGRES_TRANSACTION: Nanos = each_transaction(POSTGRES_IN_SMALL, POSTGRES_IN_LARGE);
/// PostgreSQL's processor time for a signal.
pub const POSTGRES_SIGNAL: Nanos = POSTGRES_IN_SMALL - POSTGRES_TRANSACTION / SMALL_BATCH;
/// What a flush of the log takes, but for its bytes: what is left of a lone signal's time when nobody computes.
pub const FLUSH: Nanos =
    ALONE_P50 - NODE_SIGNAL - NODE_TRANSACTION - POSTGRES_SIGNAL - POSTGRES_TRANSACTION - REDIS_SIGNAL;

// The program's own limits.

/// From a request's head to its answer (crates/http/src/webhooks).
pub const ANSWER_LIMIT: Nanos = 2 * SECOND;
/// How long a signal waits for its commit to begin (crates/engine/src/settings.rs).
pub const COMMIT_PATIENCE: Nanos = 1_500 * MILLISECOND;
/// The most signals in a transaction (crates/engine/src/committer.rs).
pub const MAX_BATCH: usize = 1_024;
/// The most requests that wait for Redis, how long one may take, and the first pause after one has taken longer
/// (crates/storage/src/redis).
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

//! Which signals repeat an accepted one, over all nodes.
//!
//! Every key that can repeat has a row. One statement takes the rows of a call's keys: what has no row is inserted, what has
//! one is locked, and where what it says does not count any more it is replaced by what this call would store. So after it
//! each row says, as of now and until this transaction ends, which signal is the first with its key: another node's
//! transaction with the same key waits for the row and sees what this one left. Keys are taken in their order, by every node
//! in the same, so that none waits for another in a ring. What it gives back is judged in memory, entry by entry, as the
//! embedded store does.

use std::collections::HashMap;

use atomik_domain::{SignalId, UnixMicros};
use atomik_ports::StoreError;
use atomik_ports::journal::{Entry, NewSignal};
use sqlx::AssertSqlSafe;
use sqlx::postgres::{PgConnection, PgRow};

use super::Failure;
use crate::batch::{First, Key, RepeatKey, Verdict, key_of};
use crate::columns::Columns;
use crate::postgres::arrays::{RowBinds, Statement};
use crate::values::Binds as _;

/// The first signals with the keys of a call.
pub(super) struct Keys {
    at: UnixMicros,
    first: HashMap<Key, Known>,
}

struct Known {
    first: First,
    /// Whether its row says something else yet, and until when it is to be remembered.
    store_until: Option<UnixMicros>,
}

/// What a row is to say where it has nothing to say that counts.
pub(super) struct Claim {
    pub repeat: RepeatKey,
    pub first: First,
}

const COLUMNS: &str = "webhook_id, key, signal_id, received_at, accepted_at, forget_at, body";
/// What [`bind_claim`] writes, in its order.
const CLAIM_COLUMNS: &str = "webhook_id, key, signal_id, received_at, counts_us, body";

impl Keys {
    /// Takes the rows of all keys. `ids` are those of the entries that draw one, in their order; `at` is what windows are
    /// measured with.
    pub async fn take(
        connection: &mut PgConnection,
        entries: &[Entry],
        ids: &[i64],
        at: UnixMicros,
    ) -> Result<Self, Failure> {
        let claims = claims(entries, ids, at);
        if claims.is_empty() {
            return Ok(Self { at, first: HashMap::new() });
        }
        let mut statement = Statement::default();
        statement.numbers(&[at.0], MOMENT);
        take(&mut statement, &claims);
        let (sql, arguments) = statement.finish("SELECT * FROM taken")?;
        let rows = sqlx::query_with(AssertSqlSafe(sql), arguments).fetch_all(connection).await?;
        let first = rows.iter().map(read).collect::<Result<_, _>>()?;
        Ok(Self { at, first })
    }

    /// Judges a signal that would be stored under `id`, and remembers it where it is new.
    pub fn judge(&mut self, signal: &NewSignal, id: SignalId) -> Verdict {
        let Some(repeat) = key_of(signal) else { return Verdict::New };
        let known = self.first.get(&repeat.key);
        // Its own claim was granted.
        if known.is_some_and(|known| known.first.signal_id == id) {
            return Verdict::New;
        }
        let verdict = repeat.verdict(known.map(|known| &known.first), self.at);
        if verdict == Verdict::New {
            // A later entry with a shorter window than the one that claimed.
            let first = first_of(signal, id, &repeat, self.at);
            let store_until = Some(self.at.plus(repeat.counts_us));
            self.first.insert(repeat.key, Known { first, store_until });
        }
        verdict
    }

    /// Writes what the rows do not say yet.
    pub fn write(&self, statement: &mut Statement) {
        let mut late: Vec<(&Key, &First, UnixMicros)> = self
            .first
            .iter()
            .filter_map(|(key, known)| Some((key, &known.first, known.store_until?)))
            .collect();
        late.sort_unstable_by_key(|(key, ..)| *key);
        statement.with(
            "late",
            COLUMNS,
            &late,
            |(key, first, until), binds| bind(key, first, *until, binds),
            "late_written AS (UPDATE repeat_keys k SET signal_id = l.signal_id, received_at = l.received_at, \
             accepted_at = l.accepted_at, forget_at = l.forget_at, body = l.body FROM late l \
             WHERE k.webhook_id = l.webhook_id AND k.key = l.key)",
        );
    }
}

/// The first entry of each key, in the order of keys.
fn claims(entries: &[Entry], ids: &[i64], at: UnixMicros) -> Vec<Claim> {
    let drawn = entries.iter().filter(|entry| !matches!(entry, Entry::Changes(_)));
    let mut claims: Vec<Claim> = drawn
        .zip(ids)
        .filter_map(|(entry, id)| match entry {
            Entry::Signal(signal) => key_of(signal).map(|repeat| {
                let first = first_of(signal, SignalId(*id), &repeat, at);
                Claim { repeat, first }
            }),
            Entry::Repeat { .. } | Entry::Refusal(_) | Entry::Changes(_) => None,
        })
        .collect();
    claims.sort_by_key(|claim| claim.repeat.key); // stable: the first of each key stays the first
    claims.dedup_by_key(|claim| claim.repeat.key);
    claims
}

pub(super) fn first_of(signal: &NewSignal, id: SignalId, repeat: &RepeatKey, at: UnixMicros) -> First {
    First { signal_id: id, received_at: signal.received_at, accepted_at: at, body: repeat.body }
}

/// The moment that windows are measured with, as a part of a statement.
pub(super) const MOMENT: &str = "moment AS (SELECT {0}::bigint AS at)";

/// Takes the rows of keys, which come in their order, at the `moment` of the statement; `taken` is what the rows say after it.
pub(super) fn take(statement: &mut Statement, claims: &[Claim]) {
    statement.with("claim", CLAIM_COLUMNS, claims, bind_claim, &taken());
}

/// What takes the rows. The distance of two moments counts, whichever way: a clock that was set back must not make an hour's
/// alerts repeats. The window that counts is the present one.
fn taken() -> String {
    let set: Vec<_> = ["signal_id", "received_at", "forget_at", "body", "accepted_at"]
        .iter()
        .map(|column| {
            format!(
                "{column} = CASE WHEN abs(excluded.accepted_at - k.accepted_at) < excluded.forget_at - excluded.accepted_at \
                 THEN k.{column} ELSE excluded.{column} END"
            )
        })
        .collect();
    format!(
        "taken AS (INSERT INTO repeat_keys AS k ({COLUMNS}) \
         SELECT webhook_id, key, signal_id, received_at, at, at + counts_us, body FROM claim, moment ORDER BY webhook_id, key \
         ON CONFLICT (webhook_id, key) DO UPDATE SET {} \
         RETURNING k.webhook_id, k.key, k.signal_id, k.received_at, k.accepted_at, k.body)",
        set.join(", ")
    )
}

fn bind_claim(claim: &Claim, binds: &mut RowBinds<'_>) {
    let Claim { repeat, first } = claim;
    binds
        .add(repeat.key.0)
        .add(repeat.key.1.as_slice())
        .add(first.signal_id.0)
        .add(first.received_at.0)
        .add(repeat.counts_us)
        .add(first.body.as_ref().map(<[u8; 16]>::as_slice));
}

fn bind(key: &Key, first: &First, until: UnixMicros, binds: &mut RowBinds<'_>) {
    binds
        .add(key.0)
        .add(key.1.as_slice())
        .add(first.signal_id.0)
        .add(first.received_at.0)
        .add(first.accepted_at.0)
        .add(until.0)
        .add(first.body.as_ref().map(<[u8; 16]>::as_slice));
}

fn read(row: &PgRow) -> Result<(Key, Known), StoreError> {
    let mut columns = Columns::of(row);
    let key = (columns.get()?, columns.bytes()?);
    let first = First {
        signal_id: SignalId(columns.get()?),
        received_at: columns.time()?,
        accepted_at: columns.time()?,
        body: columns.optional_bytes()?,
    };
    Ok((key, Known { first, store_until: None }))
}

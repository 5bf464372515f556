//! Leases: which node works on which account.
//!
//! A node's leases last as long as its row in `nodes` says that it lives. A beat and whoever takes a dead node's leases both
//! lock that row, so that of the two one comes first: a node that has beaten keeps what it holds, and one that comes too late
//! reads in the same transaction what it has lost.

mod bus;
mod unfinished;

use std::net::IpAddr;
use std::time::Duration;

use async_trait::async_trait;
use atomik_domain::{BrokerAccountId, SignalId, StrategyId, UnixMicros};
use atomik_ports::StoreError;
use atomik_ports::cluster::{
    AccountShown, Beat, Cluster, GENERATION, LEASE_LIFE, Lease, Node, NodeCard, NodeId, Waiting,
};
use atomik_ports::operations::UnfinishedWork;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Connection, Row};
use tokio::sync::Mutex;

use super::PostgresStore;
use super::faults::{fault, too_late};

pub use bus::PostgresBus;

/// How long a beat may take: less than a node counts on its leases.
const BEAT_TIMEOUT: Duration = Duration::from_millis(1_500);
/// How far back a beat looks for what was shown, beyond the last one: the transaction that shows may last so long.
const SHOWN_SLACK_US: i64 = 5_000_000;

/// What beats, beside everything else.
#[derive(Debug, Default)]
pub(super) struct Heart {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    connection: Option<PgConnection>,
    /// The database's clock at the last beat.
    last: Option<UnixMicros>,
    /// Since when, by the database's clock, this node has lived without a break.
    alive_since: Option<UnixMicros>,
}

#[async_trait]
impl Cluster for PostgresStore {
    fn node(&self) -> NodeId {
        NodeId(self.connector.store)
    }

    async fn beat(
        &self,
        card: &NodeCard,
        returned: &[Lease],
        shown: &[AccountShown],
    ) -> Result<Beat, StoreError> {
        let mut state = self.heart.state.lock().await;
        // Taken out: what does not come to its end is closed.
        let connection = state.connection.take();
        let before = (state.last, state.alive_since);
        let beating = async {
            let mut connection = match connection {
                Some(connection) => connection,
                None => self.connector.connect().await?,
            };
            let beaten = beat(&mut connection, self.node(), card, (returned, shown), before).await?;
            Ok((connection, beaten))
        };
        let beaten = tokio::time::timeout(BEAT_TIMEOUT, beating).await.unwrap_or_else(|_| Err(too_late()));
        let (connection, (beat, alive_since)) = beaten.map_err(fault)?;
        *state =
            State { connection: Some(connection), last: Some(beat.clock), alive_since: Some(alive_since) };
        Ok(beat)
    }

    async fn leave(&self, returned: &[Lease]) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await.map_err(fault)?;
        give_back(&mut transaction, self.node(), returned).await.map_err(fault)?;
        // What it holds still was perhaps on its way to a broker, and is left alone as long as a dead node's.
        let end = "UPDATE nodes SET alive_until = CASE WHEN EXISTS (SELECT 1 FROM leases WHERE node = $1) \
             THEN alive_until ELSE clock_timestamp() END WHERE id = $1";
        sqlx::query(end).bind(self.connector.store).execute(&mut *transaction).await.map_err(fault)?;
        transaction.commit().await.map_err(fault)
    }

    async fn retire(&self, leases: &[Lease]) -> Result<(), StoreError> {
        let (accounts, epochs) = columns_of(leases);
        // What waits there still is settled first.
        let retire = "DELETE FROM leases l USING unnest($2::bigint[], $3::bigint[]) AS r (account, epoch) \
             WHERE l.node = $1 AND l.broker_account_id = r.account AND l.epoch = r.epoch AND NOT EXISTS \
             (SELECT 1 FROM outcomes u JOIN strategies t ON t.id = u.strategy_id \
             WHERE t.broker_account_id = r.account AND u.status = 'pending')";
        let retired =
            sqlx::query(retire).bind(self.connector.store).bind(&accounts).bind(&epochs).execute(&self.pool);
        retired.await.map_err(fault)?;
        let forget = "DELETE FROM accounts_shown WHERE broker_account_id = ANY ($1)";
        sqlx::query(forget).bind(&accounts).execute(&self.pool).await.map_err(fault).map(drop)
    }

    async fn nodes(&self) -> Result<Vec<Node>, StoreError> {
        let nodes = "SELECT n.id, n.name, n.version, n.address, n.started_at, n.generation, \
             n.alive_until > clock_timestamp(), \
             ARRAY(SELECT l.broker_account_id FROM leases l WHERE l.node = n.id ORDER BY l.broker_account_id) \
             FROM nodes n WHERE n.alive_until > clock_timestamp() - INTERVAL '1 hour' ORDER BY n.started_at, n.id";
        let rows = sqlx::query(nodes).fetch_all(&self.pool).await.map_err(fault)?;
        rows.iter().map(read_node).collect::<Result<_, _>>().map_err(fault)
    }

    async fn address_of(&self, account: BrokerAccountId) -> Result<Option<String>, StoreError> {
        let address = "SELECT n.address FROM leases l JOIN nodes n ON n.id = l.node \
             WHERE l.broker_account_id = $1 AND n.alive_until > clock_timestamp()";
        sqlx::query_scalar(address).bind(account.0).fetch_optional(&self.pool).await.map_err(fault)
    }

    async fn unfinished_on(&self, accounts: &[BrokerAccountId]) -> Result<UnfinishedWork, StoreError> {
        unfinished::on_accounts(self, accounts).await
    }

    async fn waiting_for(
        &self,
        strategies: &[StrategyId],
        after: SignalId,
    ) -> Result<Vec<Waiting>, StoreError> {
        unfinished::for_strategies(self, strategies, after).await
    }

    async fn waiting_on(
        &self,
        accounts: &[BrokerAccountId],
        after: (SignalId, StrategyId),
    ) -> Result<Vec<(SignalId, StrategyId)>, StoreError> {
        unfinished::waiting_on(self, accounts, after).await
    }

    async fn waiting(&self, which: &[(SignalId, StrategyId)]) -> Result<Vec<Waiting>, StoreError> {
        unfinished::waiting(self, which).await
    }
}

impl PostgresStore {
    /// The address that the database sees this process by; `None` where they share a machine and no network.
    ///
    /// # Errors
    /// The database's.
    pub async fn address_seen(&self) -> Result<Option<IpAddr>, StoreError> {
        let address: Option<String> = sqlx::query_scalar("SELECT host(inet_client_addr())")
            .fetch_one(&self.pool)
            .await
            .map_err(fault)?;
        Ok(address.and_then(|address| address.parse().ok()))
    }
}

fn read_node(row: &PgRow) -> Result<Node, sqlx::Error> {
    Ok(Node {
        id: NodeId(row.try_get(0)?),
        card: NodeCard {
            name: row.try_get(1)?,
            version: row.try_get(2)?,
            address: row.try_get(3)?,
            started_at: UnixMicros(row.try_get(4)?),
        },
        generation: row.try_get(5)?,
        is_alive: row.try_get(6)?,
        accounts: row.try_get::<Vec<i64>, _>(7)?.into_iter().map(BrokerAccountId).collect(),
    })
}

fn columns_of(leases: &[Lease]) -> (Vec<i64>, Vec<i64>) {
    leases.iter().map(|lease| (lease.broker_account_id.0, lease.epoch)).unzip()
}

async fn beat(
    connection: &mut PgConnection,
    node: NodeId,
    card: &NodeCard,
    (returned, shown): (&[Lease], &[AccountShown]),
    (last, alive_since): (Option<UnixMicros>, Option<UnixMicros>),
) -> Result<(Beat, UnixMicros), sqlx::Error> {
    let mut transaction = connection.begin().await?;
    let (clock, was_alive) = live(&mut transaction, node, card).await?;
    let alive_since = alive_since.filter(|_| was_alive).unwrap_or(clock);
    give_back(&mut transaction, node, returned).await?;
    show(&mut transaction, shown).await?;
    let (live_nodes, share) = share_of(&mut transaction, node).await?;
    let mut leases = held_by(&mut transaction, node).await?;
    let room = share.saturating_sub(leases.len());
    if room > 0 {
        leases.extend(take(&mut transaction, node, room, FREE).await?);
    }
    let room = share.saturating_sub(leases.len());
    // After a time without the database everybody has missed beats. Whoever is back first leaves the others time to come back.
    if room > 0 && clock.micros_since(alive_since) >= micros(LEASE_LIFE) {
        leases.extend(take(&mut transaction, node, room, DEAD).await?);
    }
    let excess = leases.len().saturating_sub(share);
    let since = last.map(|last| last.0.saturating_sub(SHOWN_SLACK_US));
    let shown = shown_since(&mut transaction, since).await?;
    let unowned = "SELECT l.broker_account_id FROM leases l LEFT JOIN nodes n ON n.id = l.node \
         WHERE n.alive_until IS NULL OR n.alive_until < clock_timestamp()";
    let unowned: Vec<i64> = sqlx::query_scalar(unowned).fetch_all(&mut *transaction).await?;
    transaction.commit().await?;
    let unowned = unowned.into_iter().map(BrokerAccountId).collect();
    Ok((Beat { live_nodes, leases, excess, shown, unowned, clock }, alive_since))
}

/// Locks this node's row, and says that it lives. Gives the database's clock, and whether it lived until now.
async fn live(
    connection: &mut PgConnection,
    node: NodeId,
    card: &NodeCard,
) -> Result<(UnixMicros, bool), sqlx::Error> {
    let before = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, \
         coalesce((SELECT alive_until > clock_timestamp() FROM nodes WHERE id = $1), FALSE)";
    let (clock, was_alive): (i64, bool) =
        sqlx::query_as(before).bind(node.0).fetch_one(&mut *connection).await?;
    sqlx::query(
        "INSERT INTO nodes (id, name, version, generation, address, started_at, alive_until) \
         VALUES ($1, $2, $3, $4, $5, $6, clock_timestamp() + $7 * INTERVAL '1 microsecond') \
         ON CONFLICT (id) DO UPDATE SET alive_until = clock_timestamp() + $7 * INTERVAL '1 microsecond'",
    )
    .bind(node.0)
    .bind(&card.name)
    .bind(&card.version)
    .bind(GENERATION)
    .bind(&card.address)
    .bind(card.started_at.0)
    .bind(micros(LEASE_LIFE))
    .execute(connection)
    .await?;
    Ok((UnixMicros(clock), was_alive))
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

async fn give_back(
    connection: &mut PgConnection,
    node: NodeId,
    returned: &[Lease],
) -> Result<(), sqlx::Error> {
    if returned.is_empty() {
        return Ok(());
    }
    let (accounts, epochs) = columns_of(returned);
    sqlx::query(
        "UPDATE leases l SET node = NULL FROM unnest($2::bigint[], $3::bigint[]) AS r (account, epoch) \
         WHERE l.node = $1 AND l.broker_account_id = r.account AND l.epoch = r.epoch",
    )
    .bind(node.0)
    .bind(&accounts)
    .bind(&epochs)
    .execute(connection)
    .await
    .map(drop)
}

async fn show(connection: &mut PgConnection, shown: &[AccountShown]) -> Result<(), sqlx::Error> {
    if shown.is_empty() {
        return Ok(());
    }
    let accounts: Vec<_> = shown.iter().map(|one| one.broker_account_id.0).collect();
    let texts: Vec<_> = shown.iter().map(|one| one.shown.as_str()).collect();
    sqlx::query(
        "INSERT INTO accounts_shown (broker_account_id, shown, shown_at) \
         SELECT s.account, s.shown, clock_timestamp() FROM unnest($1::bigint[], $2::text[]) AS s (account, shown) \
         ON CONFLICT (broker_account_id) DO UPDATE SET shown = excluded.shown, shown_at = excluded.shown_at",
    )
    .bind(&accounts)
    .bind(&texts)
    .execute(connection)
    .await
    .map(drop)
}

/// How many nodes live, and how many leases are this one's: all get the same number, but for those left over, which go to
/// the first by their ids.
async fn share_of(connection: &mut PgConnection, node: NodeId) -> Result<(u32, usize), sqlx::Error> {
    let (nodes, before, leases): (i64, i64, i64) = sqlx::query_as(
        "SELECT count(*), count(*) FILTER (WHERE id < $1), (SELECT count(*) FROM leases) FROM nodes \
         WHERE alive_until > clock_timestamp()",
    )
    .bind(node.0)
    .fetch_one(connection)
    .await?;
    let nodes = nodes.max(1);
    let share = leases / nodes + i64::from(before < leases % nodes);
    Ok((u32::try_from(nodes).unwrap_or(u32::MAX), usize::try_from(share).unwrap_or_default()))
}

async fn held_by(connection: &mut PgConnection, node: NodeId) -> Result<Vec<Lease>, sqlx::Error> {
    let rows = sqlx::query("SELECT broker_account_id, epoch FROM leases WHERE node = $1")
        .bind(node.0)
        .fetch_all(connection)
        .await?;
    rows.iter().map(read_lease).collect()
}

fn read_lease(row: &PgRow) -> Result<Lease, sqlx::Error> {
    Ok(Lease { broker_account_id: BrokerAccountId(row.try_get(0)?), epoch: row.try_get(1)? })
}

/// Leases that nobody has.
const FREE: &str = "SELECT l.broker_account_id FROM leases l WHERE l.node IS NULL \
     ORDER BY l.broker_account_id LIMIT $2 FOR UPDATE OF l SKIP LOCKED";

/// Leases of nodes that do not live, with those nodes' rows, so that none of them beats meanwhile.
const DEAD: &str = "SELECT l.broker_account_id FROM leases l JOIN nodes n ON n.id = l.node \
     WHERE n.alive_until < clock_timestamp() AND n.id <> $1 \
     ORDER BY l.broker_account_id LIMIT $2 FOR UPDATE OF l, n SKIP LOCKED";

async fn take(
    connection: &mut PgConnection,
    node: NodeId,
    room: usize,
    which: &str,
) -> Result<Vec<Lease>, sqlx::Error> {
    let sql = format!(
        "UPDATE leases SET node = $1, epoch = epoch + 1 WHERE broker_account_id = ANY (ARRAY({which})) \
         RETURNING broker_account_id, epoch"
    );
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(node.0)
        .bind(i64::try_from(room).unwrap_or(i64::MAX))
        .fetch_all(connection)
        .await?;
    rows.iter().map(read_lease).collect()
}

async fn shown_since(
    connection: &mut PgConnection,
    since: Option<i64>,
) -> Result<Vec<AccountShown>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT broker_account_id, shown FROM accounts_shown \
         WHERE $1::bigint IS NULL OR shown_at > to_timestamp($1::bigint / 1000000.0)",
    )
    .bind(since)
    .fetch_all(connection)
    .await?;
    let read = |row: &PgRow| {
        Ok(AccountShown { broker_account_id: BrokerAccountId(row.try_get(0)?), shown: row.try_get(1)? })
    };
    rows.iter().map(read).collect()
}

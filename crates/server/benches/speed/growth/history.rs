//! Years of deliveries in a SQLite file: what the program itself wrote of some thousand, over and over, each time later and under
//! ids of their own.

use std::fs::File;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use atomik_storage::sqlite::DATABASE_FILE;
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Connection};

use crate::server::DATA_DIR;
use crate::sqlite_file::{connect, execute};

/// How far apart in time two copies are: further than what is copied took.
const SPAN_US: i64 = 100_000_000;

/// What is copied. Orders and their fills are in the same order, one fill an order, so that a row's number pairs them.
const TAKE: &str = "CREATE TEMP TABLE some_signals AS SELECT * FROM signals ORDER BY id; \
     CREATE TEMP TABLE some_deliveries AS SELECT * FROM deliveries ORDER BY id; \
     CREATE TEMP TABLE some_outcomes AS SELECT * FROM outcomes ORDER BY signal_id, strategy_id; \
     CREATE TEMP TABLE some_orders AS SELECT * FROM orders ORDER BY signal_id, strategy_id, leg; \
     CREATE TEMP TABLE some_fills AS SELECT f.* FROM fills f JOIN orders o USING (client_order_id) \
     ORDER BY o.signal_id, o.strategy_id, o.leg; \
     DELETE FROM signals; DELETE FROM deliveries; DELETE FROM outcomes; DELETE FROM orders; DELETE FROM fills";

/// Makes rows of it. What the venue calls an order and an execution is spelled as the paper broker does.
const INSERT: &str = "INSERT INTO signals SELECT * FROM some_signals; \
     INSERT INTO deliveries SELECT * FROM some_deliveries; \
     INSERT INTO outcomes SELECT * FROM some_outcomes; \
     UPDATE some_orders SET client_order_id = unhex(printf('%012x', signal_id) || hex(randomblob(10))), venue_order_id = 'paper-' || id; \
     UPDATE some_fills SET client_order_id = \
     (SELECT o.client_order_id FROM some_orders o WHERE o.rowid = some_fills.rowid); \
     UPDATE some_fills SET exec_id = lower(hex(client_order_id)) || '-1'; \
     INSERT INTO orders SELECT * FROM some_orders; \
     INSERT INTO fills SELECT * FROM some_fills";

/// Copies until there are so many deliveries, signals being deliveries too. Gives how many there are.
pub async fn make(dir: &Path, wanted: i64) -> Result<i64> {
    let began = Instant::now();
    let mut connection = connect(dir).await?;
    let deliveries = "SELECT (SELECT count(*) FROM signals) + (SELECT count(*) FROM deliveries)";
    let each = number(&mut connection, deliveries).await?;
    ensure!(each > 0, "there is nothing to copy");
    let last_id = "SELECT max((SELECT max(id) FROM signals), (SELECT max(id) FROM deliveries))";
    let ids = number(&mut connection, last_id).await?;
    let orders =
        number(&mut connection, "SELECT max((SELECT max(id) FROM orders), (SELECT max(id) FROM fills))")
            .await?;
    let copies = wanted / each + 1;
    execute(&mut connection, "BEGIN").await?;
    execute(&mut connection, TAKE).await?;
    execute(&mut connection, &shift(0, 0, -copies * SPAN_US)).await?;
    let next = shift(ids, orders, SPAN_US);
    for _ in 0..copies {
        execute(&mut connection, INSERT).await?;
        execute(&mut connection, &next).await?;
    }
    execute(&mut connection, "COMMIT").await?;
    let made = number(&mut connection, deliveries).await?;
    let lost = "SELECT (SELECT count(*) FROM orders) - \
         (SELECT count(*) FROM fills f JOIN orders o USING (client_order_id, signal_id, strategy_id))";
    ensure!(number(&mut connection, lost).await? == 0, "orders and fills are not in pairs");
    connection.close().await?;
    // The disk is at rest before anything is measured.
    File::open(dir.join(DATA_DIR).join(DATABASE_FILE))?.sync_all().context("cannot flush the file")?;
    println!("  {made} deliveries made in {:.0?}", began.elapsed());
    Ok(made)
}

/// Moves all ids and times.
fn shift(ids: i64, orders: i64, micros: i64) -> String {
    format!(
        "UPDATE some_signals SET id = id + {ids}, received_at = received_at + {micros}, stored_at = stored_at + {micros}; \
         UPDATE some_deliveries SET id = id + {ids}, received_at = received_at + {micros}, signal_id = signal_id + {ids}; \
         UPDATE some_outcomes SET signal_id = signal_id + {ids}, planned_at = planned_at + {micros}, \
         settled_at = settled_at + {micros}; \
         UPDATE some_orders SET id = id + {orders}, signal_id = signal_id + {ids}, planned_at = planned_at + {micros}, \
         sent_at = sent_at + {micros}, acknowledged_at = acknowledged_at + {micros}, filled_at = filled_at + {micros}, \
         updated_at = updated_at + {micros}; \
         UPDATE some_fills SET id = id + {orders}, signal_id = signal_id + {ids}, traded_at = traded_at + {micros}, \
         recorded_at = recorded_at + {micros}"
    )
}

async fn number(connection: &mut SqliteConnection, sql: &str) -> Result<i64> {
    Ok(sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(connection).await?)
}

//! Positions and money.

use std::sync::Arc;

use atomik_domain::Amount;
use atomik_ports::broker::{Balance, BrokerError};
use serde_json::Value;
use tokio::time::Instant;

use super::gateway::{Gateway, Pace, Paced};
use super::replies::{PositionRow, Summary};

/// How many positions a page has at most.
const PAGE: usize = 100;
/// How many pages are read.
const MAX_PAGES: usize = 50;

/// An account's positions and money.
pub(super) struct Portfolio {
    gateway: Arc<Gateway>,
    account: String,
    held: Paced<Vec<PositionRow>>,
}

impl Portfolio {
    pub fn new(gateway: Arc<Gateway>, account: String, pace: &Pace) -> Self {
        Self { gateway, account, held: Paced::new(pace.holdings) }
    }

    /// All positions, asked for after this call: whoever asks at the same time is answered together.
    pub async fn holdings(&self) -> Result<Arc<Vec<PositionRow>>, BrokerError> {
        self.held.since(Instant::now(), async || self.fetch().await).await
    }

    /// The broker is told to forget what it remembers first.
    async fn fetch(&self) -> Result<Vec<PositionRow>, BrokerError> {
        let path = format!("/portfolio/{}/positions/invalidate", self.account);
        let _: Value = self.gateway.post("POST /portfolio/positions/invalidate", &path, None).await?;
        let mut all = Vec::new();
        for page in 0..MAX_PAGES {
            let path = format!("/portfolio/{}/positions/{page}", self.account);
            let rows: Vec<PositionRow> = self.gateway.get("GET /portfolio/positions", &path).await?;
            let more = rows.len() >= PAGE;
            all.extend(rows);
            if !more {
                return Ok(all);
            }
        }
        Err(BrokerError::Unavailable(format!("the account has more than {} positions", PAGE * MAX_PAGES)))
    }

    /// The account's money.
    pub async fn balance(&self) -> Result<Balance, BrokerError> {
        let path = format!("/portfolio/{}/summary", self.account);
        let summary: Summary = self.gateway.get("GET /portfolio/summary", &path).await?;
        let currency = summary.netliquidation.currency.or(summary.totalcashvalue.currency);
        Ok(Balance {
            currency: currency.unwrap_or_else(|| "USD".to_owned()),
            cash: Amount(summary.totalcashvalue.amount),
            equity: Amount(summary.netliquidation.amount),
            buying_power: Amount(summary.buyingpower.amount),
            simulated: false,
        })
    }
}

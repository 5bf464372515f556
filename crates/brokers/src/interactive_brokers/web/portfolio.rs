//! Positions and money.

use std::sync::Arc;

use atomik_domain::Amount;
use atomik_ports::broker::{Balance, BrokerError};
use serde_json::Value;

use super::gateway::Gateway;
use super::replies::{PositionRow, Summary};

/// How many positions a page has at most.
const PAGE: usize = 100;
/// How many pages are read.
const MAX_PAGES: usize = 50;

/// An account's positions and money.
pub(super) struct Portfolio {
    gateway: Arc<Gateway>,
    account: String,
}

impl Portfolio {
    pub const fn new(gateway: Arc<Gateway>, account: String) -> Self {
        Self { gateway, account }
    }

    /// All positions, fresh: the broker is told to forget what it remembers first.
    pub async fn holdings(&self) -> Result<Vec<PositionRow>, BrokerError> {
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

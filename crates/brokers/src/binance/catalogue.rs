//! The venue's symbols, kept for a while.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use atomik_domain::{Instrument, Symbol};
use atomik_ports::broker::BrokerError;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::client::Client;
use super::refusal::{BAD_SYMBOL, Failure};
use super::replies::ExchangeInfo;
use super::rules::Rules;
use super::settings::Market;
use super::signing::Params;

/// How long a symbol's rules are believed. The venue refuses what breaks newer ones.
const GOOD_FOR: Duration = Duration::from_secs(60 * 60);

/// The rules of symbols that were asked for, and of all where somebody searched.
#[derive(Default)]
pub(super) struct Catalogue {
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    rules: BTreeMap<Symbol, (Instant, Arc<Rules>)>,
    all_at: Option<Instant>,
}

impl Catalogue {
    /// A symbol's rules.
    pub(super) async fn rules(&self, client: &Client, symbol: &Symbol) -> Result<Arc<Rules>, RulesError> {
        let mut known = self.known.lock().await;
        if let Some((at, rules)) = known.rules.get(symbol)
            && at.elapsed() < GOOD_FOR
        {
            return Ok(Arc::clone(rules));
        }
        // Futures have one list; spot's is long, and can be asked for one.
        let params = match client.market {
            Market::Spot => Params::default().with("symbol", symbol),
            Market::Usdm => Params::default(),
        };
        known.learn(client, &params).await?;
        let found = known.rules.get(symbol).filter(|(at, _)| at.elapsed() < GOOD_FOR);
        found.map(|(_, rules)| Arc::clone(rules)).ok_or_else(|| RulesError::UnknownSymbol(symbol.clone()))
    }

    /// Finds symbols: first those that are the query, then those that begin with it, then those that hold all of its words.
    pub(super) async fn search(
        &self,
        client: &Client,
        query: &str,
        limit: usize,
    ) -> Result<Vec<Instrument>, BrokerError> {
        let mut known = self.known.lock().await;
        if known.all_at.is_none_or(|at| at.elapsed() >= GOOD_FOR) {
            known.learn(client, &Params::default()).await.map_err(RulesError::error)?;
            known.all_at = Some(Instant::now());
        }
        let query = query.trim().to_ascii_uppercase();
        let mut found: Vec<(u8, &Instrument)> = Vec::new();
        for (_, rules) in known.rules.values() {
            let instrument = &rules.instrument;
            let symbol = instrument.symbol.as_str();
            let name = instrument.name.to_ascii_uppercase();
            let rank = match symbol {
                _ if symbol == query => 0,
                _ if symbol.starts_with(&query) => 1,
                _ if query.split_whitespace().all(|word| name.contains(word)) => 2,
                _ => continue,
            };
            found.push((rank, instrument));
        }
        found.sort_by_key(|(rank, _)| *rank);
        Ok(found.into_iter().take(limit).map(|(_, instrument)| instrument.clone()).collect())
    }
}

impl Known {
    async fn learn(&mut self, client: &Client, params: &Params) -> Result<(), RulesError> {
        let path = client.path("/api/v3/exchangeInfo", "/fapi/v1/exchangeInfo");
        let info: ExchangeInfo = match client.ask(path, params).await {
            Err(Failure::Refused(refusal)) if refusal.code == BAD_SYMBOL => return Ok(()),
            other => other.map_err(RulesError::Failed)?,
        };
        let now = Instant::now();
        for rules in info.symbols.iter().filter_map(|info| Rules::read(client.market, info)) {
            self.rules.insert(rules.instrument.symbol.clone(), (now, Arc::new(rules)));
        }
        Ok(())
    }
}

/// Why there are no rules.
pub(super) enum RulesError {
    /// The venue does not know the symbol.
    UnknownSymbol(Symbol),
    /// It did not answer.
    Failed(Failure),
}

impl RulesError {
    pub(super) fn error(self) -> BrokerError {
        match self {
            Self::UnknownSymbol(symbol) => BrokerError::UnknownSymbol(symbol),
            Self::Failed(failure) => failure.error(),
        }
    }
}

//! What a symbol stands for, and the rules of its orders.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use atomik_domain::instrument::AssetClass;
use atomik_domain::{Instrument, Price, Qty, Symbol};
use atomik_ports::Clock;
use atomik_ports::broker::BrokerError;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use rust_decimal::Decimal;

use super::futures::{FutureName, fronts, of_month};
use super::gateway::Gateway;
use super::portfolio::Portfolio;
use super::replies::{ContractInfo, FoundContract, FutureRow, Futures, Stocks};

/// How many contracts are looked at to find one month, or to tell products of one name apart.
const MAX_CANDIDATES: usize = 6;

/// A contract, with the rules of its orders.
#[derive(Clone, Debug)]
pub(super) struct Contract {
    pub conid: i64,
    /// The exchange's spelling: `ESZ6`, `AAPL`.
    pub local: Symbol,
    pub class: AssetClass,
    pub info: Arc<ContractInfo>,
}

impl Contract {
    pub(super) fn read(info: ContractInfo) -> Result<Self, BrokerError> {
        let unusable =
            |what: &str| BrokerError::Unavailable(format!("the broker's contract {} {what}", info.con_id));
        let class = match info.instrument_type.as_deref() {
            Some("FUT") => AssetClass::Future,
            Some("STK") => AssetClass::Equity,
            other => {
                return Err(unusable(&format!(
                    "is a {}, which is not traded here",
                    other.unwrap_or("thing")
                )));
            }
        };
        if let Some(error) = info.rules.error.as_ref().filter(|error| !error.is_empty()) {
            return Err(unusable(&format!("has no rules: {error}")));
        }
        let spelling = match class {
            AssetClass::Future => info.local_symbol.as_deref().or(info.symbol.as_deref()),
            _ => info.symbol.as_deref().or(info.local_symbol.as_deref()),
        };
        let spelling = spelling.unwrap_or_default().trim().replace(' ', ".");
        let local = Symbol::parse(&spelling).map_err(|_| unusable("has no symbol"))?;
        Ok(Self { conid: info.con_id, local, class, info: Arc::new(info) })
    }

    /// The price step at a price.
    pub fn tick_at(&self, price: Decimal) -> Option<Decimal> {
        let rules = &self.info.rules;
        let reached = rules.increment_rules.iter().filter(|rule| rule.lower_edge <= price.abs());
        let step = reached.max_by_key(|rule| rule.lower_edge).map(|rule| rule.increment);
        step.or(rules.increment).filter(|step| *step > Decimal::ZERO)
    }

    pub(super) fn instrument(&self, symbol: &Symbol) -> Result<Instrument, BrokerError> {
        let tick = self.info.rules.increment.filter(|step| *step > Decimal::ZERO);
        let tick = tick.or_else(|| self.info.rules.increment_rules.iter().map(|rule| rule.increment).min());
        let tick = tick
            .ok_or_else(|| BrokerError::Unavailable(format!("the broker tells no price step of {symbol}")))?;
        let multiplier = self.info.multiplier.filter(|multiplier| *multiplier > Decimal::ZERO);
        if self.class == AssetClass::Future && multiplier.is_none() {
            return Err(BrokerError::Unavailable(format!("the broker tells no multiplier of {symbol}")));
        }
        Ok(Instrument {
            symbol: symbol.clone(),
            contract: (self.local != *symbol).then(|| self.local.clone()),
            name: self.info.company_name.clone().unwrap_or_else(|| self.local.to_string()),
            asset_class: self.class,
            exchange: self.info.exchange.clone().unwrap_or_default(),
            currency: self.info.currency.clone().unwrap_or_default(),
            tick_size: Price(tick),
            lot_size: Qty(Decimal::ONE),
            multiplier: multiplier.unwrap_or(Decimal::ONE),
            known: true,
        })
    }
}

/// Finds contracts, and remembers them for as long as the connection lives.
pub(super) struct Contracts {
    gateway: Arc<Gateway>,
    portfolio: Arc<Portfolio>,
    clock: Arc<dyn Clock>,
    roll_days: u32,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// By what was asked for. Of a root: the contract it stood for last.
    of_symbol: HashMap<Symbol, Contract>,
    of_id: HashMap<i64, Contract>,
    /// The list of a root's contracts, and the day it is of.
    rows: HashMap<String, (Date, Arc<Vec<FutureRow>>)>,
}

impl Contracts {
    pub fn new(
        gateway: Arc<Gateway>,
        portfolio: Arc<Portfolio>,
        clock: Arc<dyn Clock>,
        roll_days: u32,
    ) -> Self {
        Self { gateway, portfolio, clock, roll_days, known: Mutex::default() }
    }

    fn known<T>(&self, look: impl FnOnce(&mut Known) -> T) -> T {
        look(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn today(&self) -> Date {
        let now = Timestamp::from_microsecond(self.clock.now().0).unwrap_or(Timestamp::UNIX_EPOCH);
        now.to_zoned(TimeZone::UTC).date()
    }

    /// A symbol's instrument, its rules fresh from the broker.
    pub async fn instrument(&self, symbol: &Symbol) -> Result<Instrument, BrokerError> {
        let contract = self.find(symbol).await?;
        let fresh = self.fetch(contract.conid).await?;
        self.known(|known| {
            known.of_id.insert(fresh.conid, fresh.clone());
            known.of_symbol.insert(symbol.clone(), fresh.clone());
        });
        fresh.instrument(symbol)
    }

    /// What a symbol stands for now.
    ///
    /// # Errors
    /// `UnknownSymbol` where the broker has nothing of the name.
    pub async fn find(&self, symbol: &Symbol) -> Result<Contract, BrokerError> {
        match FutureName::parse(symbol.as_str(), self.today()) {
            Some(name) if name.month.is_none() => self.front(symbol, &name).await,
            Some(name) => {
                if let Some(contract) = self.known(|known| known.of_symbol.get(symbol).cloned()) {
                    return Ok(contract);
                }
                let contract = self.dated(symbol, &name).await?;
                self.known(|known| known.of_symbol.insert(symbol.clone(), contract.clone()));
                Ok(contract)
            }
            None => {
                if let Some(contract) = self.known(|known| known.of_symbol.get(symbol).cloned()) {
                    return Ok(contract);
                }
                let contract = self.stock(symbol).await?;
                self.known(|known| known.of_symbol.insert(symbol.clone(), contract.clone()));
                Ok(contract)
            }
        }
    }

    /// A contract by its id.
    pub async fn by_id(&self, conid: i64) -> Result<Contract, BrokerError> {
        if let Some(contract) = self.known(|known| known.of_id.get(&conid).cloned()) {
            return Ok(contract);
        }
        let contract = self.fetch(conid).await?;
        self.known(|known| known.of_id.insert(conid, contract.clone()));
        Ok(contract)
    }

    async fn fetch(&self, conid: i64) -> Result<Contract, BrokerError> {
        let path = format!("/iserver/contract/{conid}/info-and-rules");
        Contract::read(self.gateway.get("GET /iserver/contract/info-and-rules", &path).await?)
    }

    /// The contract that a root stands for: the front month, but that in which the account holds a position for as long as
    /// it holds one.
    async fn front(&self, symbol: &Symbol, name: &FutureName) -> Result<Contract, BrokerError> {
        let today = self.today();
        let rows = self.rows(symbol, name, today).await?;
        let fronts = fronts(&rows, today, self.roll_days);
        let last = self.known(|known| known.of_symbol.get(symbol).cloned());
        if let Some(last) = &last
            && fronts.first().is_some_and(|front| front.conid == last.conid)
        {
            return Ok(last.clone());
        }
        let held = self.portfolio.holdings().await?;
        let holds = |conid: i64| held.iter().any(|row| row.conid == conid && !row.position.is_zero());
        let mut chosen = last.filter(|last| holds(last.conid));
        if chosen.is_none() {
            let candidates: Vec<_> = rows.iter().filter(|row| holds(row.conid)).collect();
            for row in candidates {
                let contract = self.by_id(row.conid).await?;
                if is_of(&contract, name) {
                    chosen = Some(contract);
                    break;
                }
            }
        }
        let contract = match chosen {
            Some(contract) => contract,
            None => self.first_of(symbol, name, &fronts).await?,
        };
        self.known(|known| known.of_symbol.insert(symbol.clone(), contract.clone()));
        Ok(contract)
    }

    /// The first of these contracts that is of the product: products of two sizes may share a name at the broker.
    async fn first_of(
        &self,
        symbol: &Symbol,
        name: &FutureName,
        rows: &[FutureRow],
    ) -> Result<Contract, BrokerError> {
        for row in rows.iter().take(MAX_CANDIDATES) {
            let contract = self.by_id(row.conid).await?;
            if is_of(&contract, name) {
                return Ok(contract);
            }
        }
        Err(BrokerError::UnknownSymbol(symbol.clone()))
    }

    async fn dated(&self, symbol: &Symbol, name: &FutureName) -> Result<Contract, BrokerError> {
        let rows = self.rows(symbol, name, self.today()).await?;
        let month = name.month.ok_or_else(|| BrokerError::UnknownSymbol(symbol.clone()))?;
        for row in of_month(&rows, month).into_iter().take(MAX_CANDIDATES) {
            let contract = self.by_id(row.conid).await?;
            if is_of(&contract, name) && contract.info.contract_month == name.contract_month() {
                return Ok(contract);
            }
        }
        Err(BrokerError::UnknownSymbol(symbol.clone()))
    }

    async fn rows(
        &self,
        symbol: &Symbol,
        name: &FutureName,
        today: Date,
    ) -> Result<Arc<Vec<FutureRow>>, BrokerError> {
        let root = name.broker_root();
        let known = self.known(|known| known.rows.get(root).cloned());
        if let Some((_, rows)) = known.filter(|(of, _)| *of == today) {
            return Ok(rows);
        }
        let path = format!("/trsrv/futures?symbols={root}");
        let mut found: Futures = self.gateway.get("GET /trsrv/futures", &path).await?;
        let mut rows = found.remove(root).unwrap_or_default();
        if rows.is_empty() {
            return Err(BrokerError::UnknownSymbol(symbol.clone()));
        }
        rows.sort_by_key(|row| (row.expiration_date, row.conid));
        let rows = Arc::new(rows);
        self.known(|known| known.rows.insert(root.to_owned(), (today, Arc::clone(&rows))));
        Ok(rows)
    }

    /// A share listed in the United States: the only one of its symbol.
    async fn stock(&self, symbol: &Symbol) -> Result<Contract, BrokerError> {
        let unknown = || BrokerError::UnknownSymbol(symbol.clone());
        let text = symbol.as_str().strip_prefix("STK:").unwrap_or(symbol.as_str());
        let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.');
        if !plain {
            return Err(unknown());
        }
        // The broker writes classes with a space: BRK B.
        let name = text.replace('.', " ");
        let query: String = form_urlencoded::byte_serialize(name.as_bytes()).collect();
        let found: Stocks =
            self.gateway.get("GET /trsrv/stocks", &format!("/trsrv/stocks?symbols={query}")).await?;
        let companies = found.get(&name).into_iter().flatten();
        let shares = companies.filter(|company| company.asset_class.as_deref().unwrap_or("STK") == "STK");
        let mut listings: Vec<_> = shares
            .flat_map(|company| &company.contracts)
            .filter(|one| one.is_us)
            .map(|one| one.conid)
            .collect();
        listings.sort_unstable();
        listings.dedup();
        match listings.as_slice() {
            [] => Err(unknown()),
            [only] => self.by_id(*only).await,
            several => Err(BrokerError::Unavailable(format!(
                "{symbol} is the symbol of {} shares listed in the United States, and the broker does not say which is meant",
                several.len()
            ))),
        }
    }

    /// Shares whose symbol or name begins with the words.
    pub async fn search(&self, query: &str, limit: usize) -> Result<Vec<Instrument>, BrokerError> {
        let mut found = crate::instruments::search(query, limit);
        found.retain(|instrument| instrument.asset_class != AssetClass::Crypto);
        let text: String = form_urlencoded::byte_serialize(query.trim().as_bytes()).collect();
        let path = format!("/iserver/secdef/search?symbol={text}&secType=STK");
        let rows: Vec<FoundContract> = match self.gateway.get("GET /iserver/secdef/search", &path).await {
            Ok(rows) => rows,
            // The broker calls it an error to find nothing.
            Err(BrokerError::Unavailable(_)) => Vec::new(),
            Err(error) => return Err(error),
        };
        for row in rows {
            let is_share = row.sections.iter().any(|section| section.sec_type.as_deref() == Some("STK"));
            let spelling = row.symbol.unwrap_or_default().replace(' ', ".");
            let Ok(symbol) = Symbol::parse(&spelling) else { continue };
            if is_share && found.len() < limit && !found.iter().any(|instrument| instrument.symbol == symbol)
            {
                let mut instrument = crate::instruments::resolve(&symbol);
                instrument.name = row.company_name.unwrap_or(instrument.name);
                instrument.exchange = row.description.unwrap_or(instrument.exchange);
                instrument.known = true;
                found.push(instrument);
            }
        }
        Ok(found)
    }
}

/// Whether a contract is of the product that a name means: the exchange's name for it, where the broker tells it.
fn is_of(contract: &Contract, name: &FutureName) -> bool {
    contract.class == AssetClass::Future
        && contract.info.trading_class.as_deref().is_none_or(|class| class == name.root)
}

//! The venue's library of contracts, asked and remembered.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use atomik_domain::instrument::AssetClass;
use atomik_domain::{Instrument, Price, Qty, Symbol, UnixMicros};
use atomik_ports::broker::BrokerError;
use jiff::civil::Date;
use jiff::{Timestamp, tz::TimeZone};
use rust_decimal::Decimal;
use tokio::time::Instant;

use super::replies::{Contract, ContractMaturity, Named, Product};
use super::session::Session;
use super::symbols::{self, Asked, Maturity};

/// How long a product's rules and maturities are believed.
const BELIEVED: Duration = Duration::from_secs(6 * 3_600);
/// How many products and contracts are remembered.
const MAX_KNOWN: usize = 5_000;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Library {
    products: Mutex<HashMap<String, (Instant, Arc<Listed>)>>,
    contracts: Mutex<HashMap<String, Contract>>,
    names: Mutex<HashMap<i64, String>>,
    exchanges: Mutex<HashMap<i64, String>>,
    currencies: Mutex<HashMap<i64, String>>,
}

/// A product and its maturities.
#[derive(Debug)]
pub(super) struct Listed {
    product: Product,
    exchange: String,
    currency: String,
    maturities: Vec<Maturity>,
}

/// Why a symbol stands for no contract now.
#[derive(Debug)]
pub(super) enum Unresolved {
    /// It is known that it does not, and why.
    No(String),
    /// The venue does not know it, or does not answer.
    Asked(BrokerError),
}

impl From<BrokerError> for Unresolved {
    fn from(error: BrokerError) -> Self {
        Self::Asked(error)
    }
}

impl From<Unresolved> for BrokerError {
    fn from(unresolved: Unresolved) -> Self {
        match unresolved {
            Unresolved::No(why) => Self::Unavailable(why),
            Unresolved::Asked(error) => error,
        }
    }
}

/// The contract that an order goes to, and its rules.
#[derive(Clone, Debug)]
pub(super) struct Resolved {
    pub contract: Contract,
    pub listed: Arc<Listed>,
}

impl Listed {
    /// Prices are multiples of this.
    pub fn tick(&self) -> Price {
        Price(self.product.tick_size)
    }
}

impl Library {
    /// The contract that a symbol stands for on this day, while these contracts are held.
    ///
    /// # Errors
    /// Where there is no such, several are held, or the venue does not answer.
    pub async fn resolve(
        &self,
        session: &Session,
        symbol: &Symbol,
        held: &[i64],
        now: UnixMicros,
        roll_days: u32,
    ) -> Result<Resolved, Unresolved> {
        let unknown = || BrokerError::UnknownSymbol(symbol.clone());
        let (name, root) = match symbols::parse(symbol).ok_or_else(unknown)? {
            Asked::Contract { name, root, year } => {
                if let Some(year) = year {
                    // The venue's names have one digit: `ESZ2036` must not mean December 2026.
                    let listed = self.product(session, &root).await?.ok_or_else(unknown)?;
                    let is_it =
                        |one: &Maturity| one.month / 100 == year && one.name(&root).as_ref() == Some(&name);
                    if !listed.maturities.iter().any(is_it) {
                        return Err(unknown().into());
                    }
                }
                (name, root)
            }
            Asked::Front { root } => {
                let listed = self.product(session, &root).await?.ok_or_else(unknown)?;
                let held = self.held_of(session, &root, held).await?;
                let front = || {
                    let months = listed.product.months.as_deref();
                    symbols::front(&listed.maturities, months, today(now), roll_days)?.name(&root)
                };
                let front = if held.is_empty() {
                    front().ok_or_else(|| {
                        Unresolved::No(format!("Tradovate lists no contract of {root} to trade now."))
                    })?
                } else {
                    String::new()
                };
                let name = symbols::held_or_front(&root, &held, &front).map_err(Unresolved::No)?;
                (name.to_owned(), root)
            }
        };
        let contract = self.contract(session, &name).await?.ok_or_else(unknown)?;
        let listed = self.product(session, &root).await?.ok_or_else(unknown)?;
        Ok(Resolved { contract, listed })
    }

    /// The names of the contracts of a root among these.
    ///
    /// # Errors
    /// As [`Self::names_of`].
    pub async fn held_of(
        &self,
        session: &Session,
        root: &str,
        held: &[i64],
    ) -> Result<Vec<String>, BrokerError> {
        let names = self.names_of(session, held).await?;
        let mut names: Vec<_> =
            names.into_values().filter(|name| symbols::root_of(name).as_deref() == Some(root)).collect();
        names.sort_unstable();
        Ok(names)
    }

    /// Contracts' names by the venue's ids.
    ///
    /// # Errors
    /// Where the venue does not answer, or does not know one.
    pub async fn names_of(
        &self,
        session: &Session,
        ids: &[i64],
    ) -> Result<HashMap<i64, String>, BrokerError> {
        let lock = || self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let missing: Vec<String> = {
            let known = lock();
            ids.iter().filter(|id| !known.contains_key(id)).map(ToString::to_string).collect()
        };
        if !missing.is_empty() {
            let found: Vec<Contract> =
                session.get(&format!("/contract/items?ids={}", missing.join(","))).await?;
            let mut known = lock();
            if known.len() >= MAX_KNOWN {
                known.clear();
            }
            known.extend(found.into_iter().map(|contract| (contract.id, contract.name)));
        }
        let known = lock();
        let name = |id: &i64| {
            let name = known.get(id).cloned();
            let name = name
                .ok_or_else(|| BrokerError::Unavailable(format!("Tradovate does not name contract {id}.")))?;
            Ok((*id, name))
        };
        ids.iter().map(name).collect()
    }

    async fn contract(&self, session: &Session, name: &str) -> Result<Option<Contract>, BrokerError> {
        if let Some(known) = self.contracts.lock().unwrap_or_else(PoisonError::into_inner).get(name) {
            return Ok(Some(known.clone()));
        }
        let path = path("/contract/find", &[("name", name)]);
        let found: Option<Contract> = session.find(&path).await?;
        let Some(found) = found.filter(|contract| contract.name.eq_ignore_ascii_case(name)) else {
            return Ok(None);
        };
        let mut known = self.contracts.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX_KNOWN {
            known.clear();
        }
        known.insert(name.to_owned(), found.clone());
        Ok(Some(found))
    }

    async fn product(&self, session: &Session, root: &str) -> Result<Option<Arc<Listed>>, BrokerError> {
        let known = self.products.lock().unwrap_or_else(PoisonError::into_inner).get(root).cloned();
        if let Some((_, listed)) = known.filter(|(at, _)| at.elapsed() < BELIEVED) {
            return Ok(Some(listed));
        }
        let found: Option<Product> = session.find(&path("/product/find", &[("name", root)])).await?;
        let Some(product) = found.filter(|product| product.name.eq_ignore_ascii_case(root)) else {
            return Ok(None);
        };
        let maturities: Vec<ContractMaturity> =
            session.get(&format!("/contractMaturity/deps?masterid={}", product.id)).await?;
        let listed = Arc::new(self.listed(session, product, &maturities).await?);
        let mut known = self.products.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX_KNOWN {
            known.clear();
        }
        known.insert(root.to_owned(), (Instant::now(), Arc::clone(&listed)));
        Ok(Some(listed))
    }

    async fn listed(
        &self,
        session: &Session,
        product: Product,
        maturities: &[ContractMaturity],
    ) -> Result<Listed, BrokerError> {
        let positive = product.tick_size > Decimal::ZERO && product.value_per_point > Decimal::ZERO;
        if !positive || product.product_type != "Futures" {
            return Err(BrokerError::Unavailable(format!(
                "{} is not a future that can be traded.",
                product.name
            )));
        }
        let exchange = named(&self.exchanges, session, "/exchange/list", product.exchange_id).await?;
        let currency = named(&self.currencies, session, "/currency/list", product.currency_id).await?;
        let maturities = maturities.iter().filter_map(Maturity::read).collect();
        Ok(Listed { product, exchange, currency, maturities })
    }

    /// Contracts whose name begins as the query, with their rules.
    ///
    /// # Errors
    /// Where the venue does not answer.
    pub async fn search(
        &self,
        session: &Session,
        query: &str,
        limit: usize,
    ) -> Result<Vec<Instrument>, BrokerError> {
        let count = limit.clamp(1, 50).to_string();
        let found: Vec<Contract> =
            session.get(&path("/contract/suggest", &[("t", query), ("l", &count)])).await?;
        let mut instruments = Vec::new();
        for contract in found.into_iter().take(limit) {
            let Some(root) = symbols::root_of(&contract.name) else { continue };
            // What is listed and is no future is left out.
            let Ok(Some(listed)) = self.product(session, &root).await else { continue };
            let Ok(symbol) = Symbol::parse(&contract.name) else { continue };
            instruments.push(Resolved { contract, listed }.instrument(&symbol)?);
        }
        Ok(instruments)
    }
}

impl Resolved {
    /// The rules, as the port has them.
    ///
    /// # Errors
    /// Where the venue's name of the contract is no symbol.
    pub fn instrument(&self, symbol: &Symbol) -> Result<Instrument, BrokerError> {
        let contract = Symbol::parse(&self.contract.name)
            .map_err(|_| BrokerError::Unavailable("Tradovate's contract has no usable name.".to_owned()))?;
        let product = &self.listed.product;
        Ok(Instrument {
            contract: (contract != *symbol).then_some(contract),
            symbol: symbol.clone(),
            name: product.description.clone(),
            asset_class: AssetClass::Future,
            exchange: self.listed.exchange.clone(),
            currency: self.listed.currency.clone(),
            tick_size: Price(product.tick_size),
            lot_size: Qty(Decimal::ONE),
            multiplier: product.value_per_point,
            known: true,
        })
    }
}

async fn named(
    known: &Mutex<HashMap<i64, String>>,
    session: &Session,
    route: &str,
    id: i64,
) -> Result<String, BrokerError> {
    let name = |known: &Mutex<HashMap<i64, String>>| {
        known.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    };
    if let Some(name) = name(known) {
        return Ok(name);
    }
    let all: Vec<Named> = session.get(route).await?;
    let all = all.into_iter().map(|one| (one.id, one.name));
    known.lock().unwrap_or_else(PoisonError::into_inner).extend(all);
    name(known).ok_or_else(|| BrokerError::Unavailable(format!("Tradovate's {route} does not have {id}.")))
}

fn path(route: &str, query: &[(&str, &str)]) -> String {
    let mut written = form_urlencoded::Serializer::new(String::new());
    written.extend_pairs(query);
    format!("{route}?{}", written.finish())
}

/// The day in UTC.
fn today(now: UnixMicros) -> Date {
    let stamp = Timestamp::from_microsecond(now.0).unwrap_or(Timestamp::UNIX_EPOCH);
    stamp.to_zoned(TimeZone::UTC).date()
}

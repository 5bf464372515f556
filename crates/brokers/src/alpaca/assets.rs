//! What can be traded: assets by symbol, remembered for a while, and the list that is searched.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use atomik_domain::{Instrument, Symbol};
use atomik_ports::broker::BrokerError;
use tokio::time::Instant;

use super::api::Api;
use super::replies::Asset;
use super::rules::{class_of, instrument_of};

/// For how long an asset's rules hold without asking again.
const FRESH: Duration = Duration::from_secs(3_600);
/// For how long the list holds.
const LIST_FRESH: Duration = Duration::from_secs(6 * 3_600);
/// The most assets that are remembered.
const MAX_KNOWN: usize = 4_096;

/// An account's assets.
#[derive(Default)]
pub(super) struct Assets {
    known: Mutex<HashMap<String, (Instant, Arc<Asset>)>>,
}

impl Assets {
    /// An asset by symbol or id; `None` where the venue does not have it.
    pub(super) async fn find(&self, api: &Api, name: &str) -> Result<Option<Arc<Asset>>, BrokerError> {
        let now = Instant::now();
        {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((at, asset)) = known.get(name)
                && now.duration_since(*at) < FRESH
            {
                return Ok(Some(Arc::clone(asset)));
            }
        }
        let Some(asset) = api.asset(name).await?.map(Arc::new) else { return Ok(None) };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX_KNOWN {
            known.clear();
        }
        known.insert(name.to_owned(), (now, Arc::clone(&asset)));
        Ok(Some(asset))
    }
}

/// The list of all assets of one environment: the same for every account, and long.
pub(super) type Listed = Arc<tokio::sync::Mutex<HashMap<String, (Instant, Arc<Vec<Asset>>)>>>;

/// Finds assets by words of their symbols and names: the one of that very symbol first, then symbols that begin so.
pub(super) async fn search(
    listed: &Listed,
    api: &Api,
    query: &str,
    limit: usize,
) -> Result<Vec<Instrument>, BrokerError> {
    let list = list(listed, api).await?;
    let query = query.trim().to_ascii_uppercase();
    let words: Vec<_> = query.split_whitespace().collect();
    let rank = |asset: &Asset| -> Option<usize> {
        let (symbol, name) = (asset.symbol.to_ascii_uppercase(), asset.name.to_ascii_uppercase());
        let plain = symbol.replace('/', "");
        let fits =
            words.iter().all(|word| symbol.contains(word) || plain.contains(word) || name.contains(word));
        let nearness = if symbol == query || plain == query {
            0
        } else if symbol.starts_with(&query) {
            1
        } else if name.starts_with(&query) {
            2
        } else {
            3
        };
        (fits && !words.is_empty()).then_some(nearness)
    };
    let mut found: Vec<_> = list.iter().filter_map(|asset| Some((rank(asset)?, asset))).collect();
    found.sort_by(|(a, left), (b, right)| {
        (a, left.symbol.len(), &left.symbol).cmp(&(b, right.symbol.len(), &right.symbol))
    });
    let fractional = api.settings().fractional;
    let instrument =
        |(_, asset): (usize, &Asset)| instrument_of(&Symbol::parse(&asset.symbol).ok()?, asset, fractional);
    Ok(found.into_iter().filter_map(instrument).take(limit).collect())
}

async fn list(listed: &Listed, api: &Api) -> Result<Arc<Vec<Asset>>, BrokerError> {
    let key = api.settings().base.url().to_string();
    // Held while asking: nobody else should ask for the same long list meanwhile.
    let mut listed = listed.lock().await;
    if let Some((at, list)) = listed.get(&key)
        && at.elapsed() < LIST_FRESH
    {
        return Ok(Arc::clone(list));
    }
    let mut list = api.assets("us_equity").await?;
    list.extend(api.assets("crypto").await?);
    list.retain(|asset| asset.tradable && class_of(asset).is_some());
    let list = Arc::new(list);
    listed.insert(key, (Instant::now(), Arc::clone(&list)));
    Ok(list)
}

//! Coins against cash, and against each other.

/// A coin's rules.
pub(crate) struct Coin {
    /// `BTC`.
    pub code: &'static str,
    /// `Bitcoin`.
    pub name: &'static str,
    /// The price step against cash. Against bitcoin it is [`FINEST_TICK`].
    pub tick: &'static str,
    /// The quantity step.
    pub lot: &'static str,
    /// About where it trades in dollars: where the simulated feed starts.
    pub typical_price: &'static str,
}

/// The price step of pairs quoted in bitcoin, and of pairs of coins the catalogue does not know.
pub(crate) const FINEST_TICK: &str = "0.00000001";

/// The quantity step of coins the catalogue does not know.
pub(crate) const DEFAULT_LOT: &str = "0.00001";

/// What pairs may be quoted in. The longer come first, so that `BTCUSDT` is not `BTCUSD` and a T.
pub(crate) const QUOTES: &[&str] = &["USDT", "USDC", "USD", "EUR", "BTC"];

const fn coin(
    code: &'static str,
    name: &'static str,
    tick: &'static str,
    lot: &'static str,
    typical_price: &'static str,
) -> Coin {
    Coin { code, name, tick, lot, typical_price }
}

/// Every coin of the catalogue. The tick is at most a few thousandths of the price, the lot a few cents' worth.
#[rustfmt::skip]
pub(crate) const COINS: &[Coin] = &[
    coin("BTC",   "Bitcoin",           "0.01",       "0.00001", "65000"),
    coin("ETH",   "Ether",             "0.01",       "0.0001",  "3200"),
    coin("BNB",   "BNB",               "0.01",       "0.001",   "580"),
    coin("SOL",   "Solana",            "0.01",       "0.001",   "150"),
    coin("BCH",   "Bitcoin Cash",      "0.01",       "0.001",   "380"),
    coin("LTC",   "Litecoin",          "0.01",       "0.001",   "80"),
    coin("AAVE",  "Aave",              "0.01",       "0.001",   "100"),
    coin("MKR",   "Maker",             "0.01",       "0.0001",  "2500"),
    coin("XMR",   "Monero",            "0.01",       "0.001",   "160"),
    coin("AVAX",  "Avalanche",         "0.001",      "0.01",    "30"),
    coin("LINK",  "Chainlink",         "0.001",      "0.01",    "14"),
    coin("DOT",   "Polkadot",          "0.001",      "0.01",    "6"),
    coin("UNI",   "Uniswap",           "0.001",      "0.01",    "8"),
    coin("ATOM",  "Cosmos",            "0.001",      "0.01",    "7"),
    coin("ICP",   "Internet Computer", "0.001",      "0.01",    "9"),
    coin("NEAR",  "NEAR Protocol",     "0.001",      "0.01",    "5"),
    coin("ETC",   "Ethereum Classic",  "0.01",       "0.01",    "22"),
    coin("FIL",   "Filecoin",          "0.001",      "0.01",    "4.5"),
    coin("APT",   "Aptos",             "0.001",      "0.01",    "7"),
    coin("XRP",   "XRP",               "0.0001",     "0.1",     "0.55"),
    coin("ADA",   "Cardano",           "0.0001",     "0.1",     "0.4"),
    coin("TRX",   "TRON",              "0.00001",    "0.1",     "0.13"),
    coin("XLM",   "Stellar",           "0.00001",    "0.1",     "0.1"),
    coin("ALGO",  "Algorand",          "0.0001",     "0.1",     "0.15"),
    coin("OP",    "Optimism",          "0.0001",     "0.01",    "1.7"),
    coin("ARB",   "Arbitrum",          "0.0001",     "0.1",     "0.7"),
    coin("SUI",   "Sui",               "0.0001",     "0.1",     "1"),
    coin("POL",   "Polygon",           "0.0001",     "0.1",     "0.5"),
    coin("HBAR",  "Hedera",            "0.00001",    "1",       "0.07"),
    coin("DOGE",  "Dogecoin",          "0.00001",    "1",       "0.12"),
    coin("SHIB",  "Shiba Inu",         "0.00000001", "1",       "0.000018"),
    coin("PEPE",  "Pepe",              "0.00000001", "1",       "0.00001"),
];

/// A coin and what it is quoted in.
pub(crate) struct Pair {
    /// The coin's code.
    pub base: String,
    /// The quote's code.
    pub quote: &'static str,
    /// The coin, where the catalogue knows it.
    pub coin: Option<&'static Coin>,
}

/// Reads `BTC/USD`, `BTC-USD`, `BTC_USD`, `BTC:USD` and `BTCUSD`. Without a separator the coin must be a known one.
pub(crate) fn find(symbol: &str) -> Option<Pair> {
    let separated = symbol.split_once(['/', '-', '_', ':']);
    for quote in QUOTES {
        let base = match separated {
            Some((base, written)) if written == *quote => base,
            Some(_) => continue,
            None => match symbol.strip_suffix(quote) {
                Some(base) => base,
                None => continue,
            },
        };
        let coin = COINS.iter().find(|coin| coin.code == base);
        let spelled_like_one =
            (2..=10).contains(&base.len()) && base.bytes().all(|b| b.is_ascii_alphanumeric());
        let known = coin.is_some() && base != *quote;
        if known || (separated.is_some() && coin.is_none() && spelled_like_one) {
            return Some(Pair { base: base.to_owned(), quote, coin });
        }
    }
    None
}

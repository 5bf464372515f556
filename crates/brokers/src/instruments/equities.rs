//! US shares and funds that the catalogue knows by name. All obey the same rules.

/// Symbol and name of well-known US shares and exchange-traded funds.
#[rustfmt::skip]
pub(crate) const KNOWN: &[(&str, &str)] = &[
    ("SPY", "SPDR S&P 500 ETF"), ("QQQ", "Invesco QQQ (Nasdaq-100) ETF"), ("IWM", "iShares Russell 2000 ETF"),
    ("DIA", "SPDR Dow Jones Industrial Average ETF"), ("VOO", "Vanguard S&P 500 ETF"),
    ("VTI", "Vanguard Total Stock Market ETF"), ("TLT", "iShares 20+ Year Treasury Bond ETF"),
    ("GLD", "SPDR Gold Shares"), ("SLV", "iShares Silver Trust"), ("USO", "United States Oil Fund"),
    ("XLF", "Financial Select Sector SPDR"), ("XLE", "Energy Select Sector SPDR"),
    ("XLK", "Technology Select Sector SPDR"), ("SMH", "VanEck Semiconductor ETF"), ("ARKK", "ARK Innovation ETF"),
    ("TQQQ", "ProShares UltraPro QQQ"), ("SQQQ", "ProShares UltraPro Short QQQ"),
    ("UVXY", "ProShares Ultra VIX Short-Term Futures ETF"), ("SOXL", "Direxion Daily Semiconductor Bull 3X"),
    ("AAPL", "Apple"), ("MSFT", "Microsoft"), ("NVDA", "NVIDIA"), ("AMZN", "Amazon.com"),
    ("GOOGL", "Alphabet Class A"), ("GOOG", "Alphabet Class C"), ("META", "Meta Platforms"), ("TSLA", "Tesla"),
    ("AVGO", "Broadcom"), ("AMD", "Advanced Micro Devices"), ("INTC", "Intel"), ("NFLX", "Netflix"),
    ("ORCL", "Oracle"), ("CRM", "Salesforce"), ("ADBE", "Adobe"), ("CSCO", "Cisco Systems"), ("QCOM", "Qualcomm"),
    ("MU", "Micron Technology"), ("TSM", "Taiwan Semiconductor (ADR)"), ("BRK.B", "Berkshire Hathaway Class B"),
    ("JPM", "JPMorgan Chase"), ("BAC", "Bank of America"), ("GS", "Goldman Sachs"), ("V", "Visa"),
    ("MA", "Mastercard"), ("WMT", "Walmart"), ("COST", "Costco"), ("HD", "Home Depot"), ("DIS", "Walt Disney"),
    ("KO", "Coca-Cola"), ("PEP", "PepsiCo"), ("MCD", "McDonald's"), ("NKE", "Nike"), ("JNJ", "Johnson & Johnson"),
    ("UNH", "UnitedHealth"), ("LLY", "Eli Lilly"), ("PFE", "Pfizer"), ("XOM", "Exxon Mobil"), ("CVX", "Chevron"),
    ("BA", "Boeing"), ("CAT", "Caterpillar"), ("F", "Ford Motor"), ("GM", "General Motors"),
    ("UBER", "Uber Technologies"), ("PLTR", "Palantir"), ("COIN", "Coinbase"), ("MSTR", "Strategy (MicroStrategy)"),
    ("HOOD", "Robinhood"), ("SOFI", "SoFi Technologies"), ("GME", "GameStop"), ("BABA", "Alibaba (ADR)"),
];

/// The name of a share that the catalogue knows.
pub(crate) fn name_of(symbol: &str) -> Option<&'static str> {
    KNOWN.iter().find(|(known, _)| *known == symbol).map(|(_, name)| *name)
}

/// Whether this is spelled like a US share: one to five letters, perhaps a class (`BRK.B`).
pub(crate) fn looks_like_one(symbol: &str) -> bool {
    let (ticker, class) =
        symbol.split_once('.').map_or((symbol, None), |(ticker, class)| (ticker, Some(class)));
    let letters = |text: &str, most: usize| {
        (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_uppercase())
    };
    letters(ticker, 5) && class.is_none_or(|class| letters(class, 1))
}

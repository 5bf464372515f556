//! Futures: one row a root symbol.

/// A future's rules. Decimals are text, so that no float ever stands between the table and a price.
pub(crate) struct Future {
    /// The root: `ES`.
    pub root: &'static str,
    /// Its name.
    pub name: &'static str,
    /// Where it trades.
    pub exchange: &'static str,
    /// The smallest price step.
    pub tick: &'static str,
    /// Money per point of price and contract.
    pub multiplier: &'static str,
    /// About where it trades: where the simulated feed starts.
    pub typical_price: &'static str,
}

const fn future(
    root: &'static str,
    name: &'static str,
    exchange: &'static str,
    tick: &'static str,
    multiplier: &'static str,
    typical_price: &'static str,
) -> Future {
    Future { root, name, exchange, tick, multiplier, typical_price }
}

/// Every future of the catalogue. All are quoted in US dollars but for grains and livestock, whose prices are US cents:
/// there the multiplier is dollars per cent.
#[rustfmt::skip]
pub(crate) const FUTURES: &[Future] = &[
    // Equity indices.
    future("ES",  "E-mini S&P 500",             "CME",   "0.25", "50",   "5000"),
    future("NQ",  "E-mini Nasdaq-100",          "CME",   "0.25", "20",   "18000"),
    future("YM",  "E-mini Dow ($5)",            "CBOT",  "1",    "5",    "40000"),
    future("RTY", "E-mini Russell 2000",        "CME",   "0.1",  "50",   "2000"),
    future("MES", "Micro E-mini S&P 500",       "CME",   "0.25", "5",    "5000"),
    future("MNQ", "Micro E-mini Nasdaq-100",    "CME",   "0.25", "2",    "18000"),
    future("MYM", "Micro E-mini Dow",           "CBOT",  "1",    "0.5",  "40000"),
    future("M2K", "Micro E-mini Russell 2000",  "CME",   "0.1",  "5",    "2000"),
    future("EMD", "E-mini S&P MidCap 400",      "CME",   "0.1",  "100",  "3000"),
    future("NKD", "Nikkei 225 (dollar)",        "CME",   "5",    "5",    "38000"),
    future("VX",  "Cboe Volatility Index",      "CFE",   "0.05", "1000", "18"),
    // Energy.
    future("CL",  "Crude Oil",                  "NYMEX", "0.01",   "1000",  "75"),
    future("MCL", "Micro Crude Oil",            "NYMEX", "0.01",   "100",   "75"),
    future("QM",  "E-mini Crude Oil",           "NYMEX", "0.025",  "500",   "75"),
    future("NG",  "Henry Hub Natural Gas",      "NYMEX", "0.001",  "10000", "3"),
    future("QG",  "E-mini Natural Gas",         "NYMEX", "0.005",  "2500",  "3"),
    future("RB",  "RBOB Gasoline",              "NYMEX", "0.0001", "42000", "2.25"),
    future("HO",  "NY Harbor ULSD Heating Oil", "NYMEX", "0.0001", "42000", "2.5"),
    future("BZ",  "Brent Crude Oil Last Day",   "NYMEX", "0.01",   "1000",  "79"),
    // Metals.
    future("GC",  "Gold",                       "COMEX", "0.1",    "100",   "2400"),
    future("MGC", "Micro Gold",                 "COMEX", "0.1",    "10",    "2400"),
    future("SI",  "Silver",                     "COMEX", "0.005",  "5000",  "30"),
    future("SIL", "Micro Silver (1,000 oz)",    "COMEX", "0.005",  "1000",  "30"),
    future("HG",  "Copper",                     "COMEX", "0.0005", "25000", "4.25"),
    future("MHG", "Micro Copper",               "COMEX", "0.0005", "2500",  "4.25"),
    future("PL",  "Platinum",                   "NYMEX", "0.1",    "50",    "1000"),
    future("PA",  "Palladium",                  "NYMEX", "0.5",    "100",   "1000"),
    // US Treasuries: decimal ticks of a 32nd, half a 32nd, a quarter and an eighth of one.
    future("ZB",  "30-Year US Treasury Bond",   "CBOT",  "0.03125",    "1000", "118"),
    future("UB",  "Ultra US Treasury Bond",     "CBOT",  "0.03125",    "1000", "122"),
    future("ZN",  "10-Year US Treasury Note",   "CBOT",  "0.015625",   "1000", "110"),
    future("TN",  "Ultra 10-Year US Treasury Note", "CBOT", "0.015625", "1000", "113"),
    future("ZF",  "5-Year US Treasury Note",    "CBOT",  "0.0078125",  "1000", "107"),
    future("ZT",  "2-Year US Treasury Note",    "CBOT",  "0.00390625", "2000", "103"),
    // Currencies, in dollars per unit.
    future("6E",  "Euro FX",                    "CME",   "0.00005",   "125000",   "1.08"),
    future("6B",  "British Pound",              "CME",   "0.0001",    "62500",    "1.27"),
    future("6J",  "Japanese Yen",               "CME",   "0.0000005", "12500000", "0.0068"),
    future("6A",  "Australian Dollar",          "CME",   "0.00005",   "100000",   "0.66"),
    future("6C",  "Canadian Dollar",            "CME",   "0.00005",   "100000",   "0.73"),
    future("6S",  "Swiss Franc",                "CME",   "0.00005",   "125000",   "1.13"),
    future("6N",  "New Zealand Dollar",         "CME",   "0.00005",   "100000",   "0.6"),
    future("6M",  "Mexican Peso",               "CME",   "0.00001",   "500000",   "0.055"),
    future("M6E", "Micro Euro FX",              "CME",   "0.0001",    "12500",    "1.08"),
    future("M6B", "Micro British Pound",        "CME",   "0.0001",    "6250",     "1.27"),
    future("M6A", "Micro Australian Dollar",    "CME",   "0.0001",    "10000",    "0.66"),
    // Grains and livestock, in cents.
    future("ZC",  "Corn",                       "CBOT",  "0.25",  "50",  "440"),
    future("ZS",  "Soybeans",                   "CBOT",  "0.25",  "50",  "1150"),
    future("ZW",  "Chicago SRW Wheat",          "CBOT",  "0.25",  "50",  "580"),
    future("KE",  "KC HRW Wheat",               "CBOT",  "0.25",  "50",  "600"),
    future("ZL",  "Soybean Oil",                "CBOT",  "0.01",  "600", "45"),
    future("ZM",  "Soybean Meal",               "CBOT",  "0.1",   "100", "340"),
    future("LE",  "Live Cattle",                "CME",   "0.025", "400", "185"),
    future("GF",  "Feeder Cattle",              "CME",   "0.025", "500", "255"),
    future("HE",  "Lean Hogs",                  "CME",   "0.025", "400", "90"),
    // Coins, as futures.
    future("BTC", "Bitcoin (5 BTC)",            "CME",   "5",    "5",   "65000"),
    future("MBT", "Micro Bitcoin (0.1 BTC)",    "CME",   "5",    "0.1", "65000"),
    future("ETH", "Ether (50 ETH)",             "CME",   "0.5",  "50",  "3200"),
    future("MET", "Micro Ether (0.1 ETH)",      "CME",   "0.5",  "0.1", "3200"),
];

/// The future behind a bare root (`ES`), a continuous symbol (`ES1!`) or a dated one (`ESZ6`, `ESZ26`, `ESZ2026`).
pub(crate) fn find(symbol: &str) -> Option<&'static Future> {
    by_root(symbol).or_else(|| by_root(continuous_root(symbol)?)).or_else(|| by_root(dated_root(symbol)?))
}

fn by_root(root: &str) -> Option<&'static Future> {
    FUTURES.iter().find(|future| future.root == root)
}

/// `ES1!` and `ES2!`: the front month and those after it.
fn continuous_root(symbol: &str) -> Option<&str> {
    let numbered = symbol.strip_suffix('!')?;
    numbered.strip_suffix(|last: char| last.is_ascii_digit() && last != '0')
}

/// `ESZ6`, `ESZ26`, `ESZ2026`: a root, the letter of a month, one, two or four digits of a year.
fn dated_root(symbol: &str) -> Option<&str> {
    let with_month = symbol.trim_end_matches(|last: char| last.is_ascii_digit());
    let year = &symbol[with_month.len()..];
    let year_fits = matches!(year.len(), 1 | 2) || (year.len() == 4 && year.starts_with("20"));
    let root = with_month.strip_suffix(|last: char| "FGHJKMNQUVXZ".contains(last))?;
    year_fits.then_some(root)
}

//! The contracts that the fake knows.

use rust_decimal::Decimal;

use super::requests::ContractFields;

/// A contract and its rules.
#[derive(Clone, Debug)]
pub(super) struct Listing {
    pub con_id: i32,
    pub symbol: String,
    pub sec_type: &'static str,
    pub local_symbol: String,
    pub trading_class: String,
    pub exchange: &'static str,
    pub primary: &'static str,
    pub last_day: String,
    pub multiplier: &'static str,
    pub magnifier: i32,
    pub min_tick: Decimal,
    pub size_increment: Decimal,
    pub name: &'static str,
    pub price: Decimal,
    pub lot: Decimal,
    pub commission: Decimal,
}

impl Listing {
    /// Money per point of the price that is quoted.
    pub(super) fn effective_multiplier(&self) -> Decimal {
        self.multiplier.parse::<Decimal>().unwrap_or(Decimal::ONE) / Decimal::from(self.magnifier)
    }

    /// Whether a request means it.
    pub(super) fn is_meant(&self, asked: &ContractFields) -> bool {
        if asked.con_id != 0 {
            return asked.con_id == self.con_id;
        }
        let fits = |asked: &str, own: &str| asked.is_empty() || asked == own;
        let routed = asked.exchange == "SMART" && self.sec_type == "STK";
        fits(&asked.sec_type, self.sec_type)
            && fits(&asked.symbol, &self.symbol)
            && fits(&asked.local_symbol, &self.local_symbol)
            && fits(&asked.trading_class, &self.trading_class)
            && fits(&asked.currency, "USD")
            && (routed || fits(&asked.exchange, self.exchange))
            && self.last_day.starts_with(&asked.last_day)
            && !(asked.symbol.is_empty() && asked.local_symbol.is_empty())
    }
}

fn decimal(text: &str) -> Decimal {
    text.parse().expect("a decimal")
}

fn share(con_id: i32, symbol: &str, name: &'static str, price: &str) -> Listing {
    Listing {
        con_id,
        symbol: symbol.to_owned(),
        sec_type: "STK",
        local_symbol: symbol.to_owned(),
        trading_class: "NMS".to_owned(),
        exchange: "SMART",
        primary: "NASDAQ",
        last_day: String::new(),
        multiplier: "",
        magnifier: 1,
        min_tick: decimal("0.01"),
        size_increment: decimal("0.0001"),
        name,
        price: decimal(price),
        lot: Decimal::ONE,
        commission: decimal("0.35"),
    }
}

fn future(con_id: i32, symbol: &str, last_day: &str) -> Listing {
    let letters = b"FGHJKMNQUVXZ";
    let month: usize = last_day[4..6].parse().expect("a month");
    let local_symbol = format!("{symbol}{}{}", char::from(letters[month - 1]), &last_day[3..4]);
    let (multiplier, magnifier, min_tick, price, name) = match symbol {
        "ZC" => ("5000", 100, "0.25", "450", "Corn Futures"),
        _ => ("50", 1, "0.25", "5000", "E-mini S&P 500"),
    };
    Listing {
        con_id,
        symbol: symbol.to_owned(),
        sec_type: "FUT",
        local_symbol,
        trading_class: symbol.to_owned(),
        exchange: if symbol == "ZC" { "CBOT" } else { "CME" },
        primary: "",
        last_day: last_day.to_owned(),
        multiplier,
        magnifier,
        min_tick: decimal(min_tick),
        size_increment: Decimal::ONE,
        name,
        price: decimal(price),
        lot: Decimal::ONE,
        commission: decimal("2.25"),
    }
}

/// Every contract, with futures in the quarters around now (milliseconds since 1970).
pub(super) fn all(now_ms: i64) -> Vec<Listing> {
    let (year, month, _) = date(now_ms);
    let mut all = vec![
        share(265_598, "AAPL", "APPLE INC", "200"),
        share(72_063_691, "BRK B", "BERKSHIRE HATHAWAY INC-CL B", "450"),
        share(43_645_865, "ES", "EVERSOURCE ENERGY", "60"),
        Listing {
            sec_type: "CRYPTO",
            local_symbol: "BTC.USD".to_owned(),
            trading_class: "BTC".to_owned(),
            exchange: "PAXOS",
            primary: "",
            min_tick: decimal("0.25"),
            size_increment: decimal("0.00000001"),
            lot: decimal("0.00000001"),
            ..share(479_624_278, "BTC", "Bitcoin", "60000")
        },
    ];
    // The next four quarters' third Fridays, near enough: the 18th.
    let quarters = (0..24).map(|ahead| (year + (month + ahead - 1) / 12, (month + ahead - 1) % 12 + 1));
    let quarters = quarters.filter(|(_, month)| month % 3 == 0).skip(1).take(4);
    for (place, (year, month)) in (1..).zip(quarters) {
        let last_day = format!("{year:04}{month:02}18");
        all.push(future(600_000 + place, "ES", &last_day));
        all.push(future(700_000 + place, "ZC", &last_day));
    }
    all
}

/// Year, month and day of milliseconds since 1970.
pub(super) fn date(ms: i64) -> (i64, i64, i64) {
    let days = ms.div_euclid(86_400_000) + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// `20261125 20:30:00 UTC`.
pub(super) fn clock_time(ms: i64) -> String {
    let (year, month, day) = date(ms);
    let seconds = ms.div_euclid(1_000).rem_euclid(86_400);
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}{month:02}{day:02} {hours:02}:{minutes:02}:{seconds:02} UTC")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_the_calendars() {
        assert_eq!(date(0), (1970, 1, 1));
        assert_eq!(clock_time(1_795_638_600_000), "20261125 20:30:00 UTC");
    }
}

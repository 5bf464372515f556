//! Which contract a symbol stands for.
//!
//! `ESZ6` is a contract, and so are `ESZ26` and `ESZ2026`, which the venue writes `ESZ6`. `ES` and `ES1!` are the front
//! contract: the nearest that does not expire, or come to its first notice, within the days of the roll. While an account
//! holds a contract of the root, its symbol means that one.

use atomik_domain::Symbol;
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan, tz::TimeZone};

use super::replies::ContractMaturity;

/// The letters of January to December.
const MONTHS: &str = "FGHJKMNQUVXZ";

/// What a symbol asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// A contract, as the venue writes it.
    Contract {
        name: String,
        root: String,
        /// Where the symbol has more of it than its last digit: `2026`.
        year: Option<u32>,
    },
    /// Whichever contract of a root is traded now.
    Front { root: String },
}

/// Reads a symbol; `None` where the venue can have no such.
pub(super) fn parse(symbol: &Symbol) -> Option<Asked> {
    let text = symbol.as_str();
    if let Some(root) = text.strip_suffix("1!") {
        return is_root(root).then(|| Asked::Front { root: root.to_owned() });
    }
    if !is_root(text) {
        return None;
    }
    Some(contract(text).unwrap_or_else(|| Asked::Front { root: text.to_owned() }))
}

/// The root of a contract's name, where it is one.
pub(super) fn root_of(name: &str) -> Option<String> {
    match contract(name) {
        Some(Asked::Contract { root, .. }) => Some(root),
        _ => None,
    }
}

fn contract(text: &str) -> Option<Asked> {
    let stem = text.trim_end_matches(|one: char| one.is_ascii_digit());
    let year = text.get(stem.len()..)?;
    let month = stem.chars().last().filter(|letter| MONTHS.contains(*letter))?;
    let root = stem.strip_suffix(month)?;
    let is_year = matches!(year.len(), 1 | 2) || (year.len() == 4 && year.starts_with("20"));
    if root.is_empty() || !is_year || !root.bytes().any(|byte| byte.is_ascii_alphabetic()) {
        return None;
    }
    let last = year.chars().last()?;
    let full = year
        .parse()
        .ok()
        .filter(|_| year.len() > 1)
        .map(|year: u32| if year < 100 { 2_000 + year } else { year });
    Some(Asked::Contract { name: format!("{root}{month}{last}"), root: root.to_owned(), year: full })
}

fn is_root(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// A contract that a root symbol may stand for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Maturity {
    /// `202612`.
    pub month: u32,
    /// The day it expires, or the day of first notice where that is before.
    pub last_day: Date,
}

impl Maturity {
    /// Reads the venue's; `None` where its dates or its month cannot be read.
    pub fn read(maturity: &ContractMaturity) -> Option<Self> {
        let expires = day(&maturity.expiration_date)?;
        let notice = maturity.first_intent_date.as_deref().and_then(day);
        let month = maturity.expiration_month;
        (1..=12)
            .contains(&(month % 100))
            .then_some(Self { month, last_day: notice.unwrap_or(expires).min(expires) })
    }

    /// The contract's name: `ES` and December 2026 make `ESZ6`.
    pub fn name(&self, root: &str) -> Option<String> {
        let letter = self.letter()?;
        Some(format!("{root}{letter}{}", self.month / 100 % 10))
    }

    fn letter(&self) -> Option<char> {
        MONTHS.chars().nth(usize::try_from(self.month % 100).ok()?.checked_sub(1)?)
    }
}

/// A day in UTC.
fn day(text: &str) -> Option<Date> {
    let stamp: Timestamp = text.parse().ok()?;
    Some(stamp.to_zoned(TimeZone::UTC).date())
}

/// The front contract on a day: the nearest whose last day is more than `roll_days` away. On the day that is exactly so far
/// before, trade moves on. `months` are the letters that the product trades in, where the venue tells: a month listed
/// besides them is never the front.
pub(super) fn front<'a>(
    maturities: &'a [Maturity],
    months: Option<&str>,
    today: Date,
    roll_days: u32,
) -> Option<&'a Maturity> {
    let reach = today.checked_add(i64::from(roll_days).days()).ok()?;
    let known = months.filter(|months| !months.is_empty() && months.chars().all(|one| MONTHS.contains(one)));
    let trades = |maturity: &&Maturity| {
        known.is_none_or(|months| maturity.letter().is_some_and(|letter| months.contains(letter)))
    };
    maturities
        .iter()
        .filter(trades)
        .filter(|maturity| maturity.last_day > reach)
        .min_by_key(|one| one.last_day)
}

/// What a root's symbol means to an account: what it holds of the root, or else the front contract.
///
/// # Errors
/// Where it holds several contracts of the root, in a sentence that names them.
pub(super) fn held_or_front<'a>(root: &str, held: &'a [String], front: &'a str) -> Result<&'a str, String> {
    match held {
        [] => Ok(front),
        [one] => Ok(one),
        several => Err(format!(
            "The account holds several contracts of {root} ({}): name the one that is meant, or close all but one.",
            several.join(", ")
        )),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("ES", None, "ES")]
    #[case("ES1!", None, "ES")]
    #[case("6E1!", None, "6E")]
    #[case("M2K", None, "M2K")]
    #[case("E7", None, "E7")]
    #[case("J7", None, "J7")]
    #[case("ESZ6", Some("ESZ6"), "ES")]
    #[case("ESZ26", Some("ESZ6"), "ES")]
    #[case("ESZ2026", Some("ESZ6"), "ES")]
    #[case("M2KH7", Some("M2KH7"), "M2K")]
    #[case("6EM6", Some("6EM6"), "6E")]
    #[case("ZCN0", Some("ZCN0"), "ZC")]
    fn symbols_are_roots_or_contracts(
        #[case] text: &str,
        #[case] contract: Option<&str>,
        #[case] root: &str,
    ) {
        let root = root.to_owned();
        let expected = match contract {
            Some(name) => {
                let year = [("26", 2_026), ("2026", 2_026)].into_iter().find(|(end, _)| text.ends_with(end));
                Asked::Contract { name: name.to_owned(), root, year: year.map(|(_, year)| year) }
            }
            None => Asked::Front { root },
        };
        assert_eq!(parse(&Symbol::parse(text).unwrap()), Some(expected));
    }

    #[rstest]
    #[case("ES2!")]
    #[case("1!")]
    #[case("BRK.B")]
    #[case("BTC/USD")]
    fn others_are_none_of_the_venues(#[case] text: &str) {
        assert_eq!(parse(&Symbol::parse(text).unwrap()), None);
    }

    fn date(text: &str) -> Date {
        text.parse().unwrap()
    }

    fn maturities(list: &[(u32, &str)]) -> Vec<Maturity> {
        list.iter().map(|(month, day)| Maturity { month: *month, last_day: date(day) }).collect()
    }

    /// The third Fridays of a quarterly product, in no order; a monthly one; one that lists months it does not trade.
    fn quarterly() -> Vec<Maturity> {
        maturities(&[
            (202_703, "2027-03-19"),
            (202_609, "2026-09-18"),
            (202_612, "2026-12-18"),
            (202_706, "2027-06-18"),
        ])
    }

    fn monthly() -> Vec<Maturity> {
        maturities(&[(202_612, "2026-11-20"), (202_701, "2026-12-21"), (202_702, "2027-01-20")])
    }

    fn gold() -> Vec<Maturity> {
        maturities(&[
            (202_611, "2026-11-25"),
            (202_612, "2026-11-30"),
            (202_701, "2027-01-27"),
            (202_702, "2027-01-29"),
        ])
    }

    #[rstest]
    // The Thursday of the week before the third Friday is the first day of the next.
    #[case(quarterly(), "ES", None, "2026-12-09", 8, Some("ESZ6"))]
    #[case(quarterly(), "ES", None, "2026-12-10", 8, Some("ESH7"))]
    #[case(quarterly(), "ES", None, "2026-12-17", 0, Some("ESZ6"))]
    #[case(quarterly(), "ES", None, "2026-12-18", 0, Some("ESH7"))]
    #[case(quarterly(), "ES", None, "2026-12-31", 8, Some("ESH7"))]
    #[case(quarterly(), "ES", None, "2027-01-01", 8, Some("ESH7"))]
    #[case(quarterly(), "ES", None, "2027-06-11", 8, None)]
    // A monthly product moves every month, over the end of the year as well.
    #[case(monthly(), "CL", None, "2026-11-11", 8, Some("CLZ6"))]
    #[case(monthly(), "CL", None, "2026-11-12", 8, Some("CLF7"))]
    #[case(monthly(), "CL", None, "2026-12-12", 8, Some("CLF7"))]
    #[case(monthly(), "CL", None, "2026-12-13", 8, Some("CLG7"))]
    #[case(monthly(), "CL", None, "2026-12-13", 3, Some("CLF7"))]
    // Months that are listed and not traded are passed over.
    #[case(gold(), "GC", Some("GJMQVZ"), "2026-11-10", 8, Some("GCZ6"))]
    #[case(gold(), "GC", Some("GJMQVZ"), "2026-11-22", 8, Some("GCG7"))]
    #[case(gold(), "GC", None, "2026-11-22", 8, Some("GCF7"))]
    // Letters that cannot be read are as good as none.
    #[case(gold(), "GC", Some("1,2"), "2026-11-10", 8, Some("GCX6"))]
    fn the_front_contract_is_the_nearest_before_its_roll(
        #[case] listed: Vec<Maturity>,
        #[case] root: &str,
        #[case] months: Option<&str>,
        #[case] today: &str,
        #[case] roll_days: u32,
        #[case] expected: Option<&str>,
    ) {
        let found = front(&listed, months, date(today), roll_days);
        assert_eq!(found.map(|one| one.name(root).unwrap()).as_deref(), expected);
    }

    #[test]
    fn first_notice_comes_before_expiry_where_there_is_one() {
        let read = |notice: Option<&str>| {
            let maturity = ContractMaturity {
                expiration_month: 202_612,
                expiration_date: "2026-12-29T18:30:00Z".to_owned(),
                first_intent_date: notice.map(str::to_owned),
            };
            Maturity::read(&maturity).unwrap()
        };
        assert_eq!(read(Some("2026-11-30T00:00:00Z")).last_day, date("2026-11-30"));
        assert_eq!(read(None).last_day, date("2026-12-29"));
        assert_eq!(read(None).name("GC").as_deref(), Some("GCZ6"));
    }

    #[test]
    fn what_is_held_comes_before_the_front() {
        let held = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(held_or_front("ES", &held(&[]), "ESH7"), Ok("ESH7"));
        assert_eq!(held_or_front("ES", &held(&["ESZ6"]), "ESH7"), Ok("ESZ6"));
        let several = held_or_front("ES", &held(&["ESZ6", "ESH7"]), "ESH7").unwrap_err();
        assert!(several.contains("ESZ6, ESH7"), "{several}");
    }
}

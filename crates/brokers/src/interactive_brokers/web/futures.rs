//! Futures: how they are spelled, and which contract a root stands for.

use atomik_domain::Symbol;
use atomik_domain::instrument::AssetClass;
use jiff::civil::Date;

use super::super::names::{MONTHS, OTHER_SYMBOLS};
use super::replies::FutureRow;
use crate::instruments;

/// A future as a trader spells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FutureName {
    /// `ES`.
    pub root: String,
    /// Year and month; `None` for the front contract.
    pub month: Option<(i16, i8)>,
}

impl FutureName {
    /// Reads `ES`, `ES1!`, `ESZ6`, `ESZ26` or `ESZ2026`; `None` for what is no future. A bare root must be in the catalogue.
    #[must_use]
    pub fn parse(text: &str, today: Date) -> Option<Self> {
        if let Some(root) = text.strip_suffix("1!") {
            return is_root(root).then(|| Self { root: root.to_owned(), month: None });
        }
        if is_known(text) {
            return Some(Self { root: text.to_owned(), month: None });
        }
        let stem = text.trim_end_matches(|c: char| c.is_ascii_digit());
        let digits = &text[stem.len()..];
        let letter = stem.chars().last()?;
        let root = &stem[..stem.len() - letter.len_utf8()];
        let month = i8::try_from(MONTHS.find(letter)? + 1).ok()?;
        let year: i16 = digits.parse().ok()?;
        let year = match digits.len() {
            1 => (today.year()..today.year() + 10).find(|full| full % 10 == year)?,
            2 => 2000 + year,
            4 => year,
            _ => return None,
        };
        is_root(root).then(|| Self { root: root.to_owned(), month: Some((year, month)) })
    }

    /// The broker's name for the root.
    #[must_use]
    pub fn broker_root(&self) -> &str {
        OTHER_SYMBOLS.iter().find(|(root, _)| *root == self.root).map_or(self.root.as_str(), |(_, name)| name)
    }

    /// The month as the broker writes it: `202612`.
    #[must_use]
    pub fn contract_month(&self) -> Option<String> {
        self.month.map(|(year, month)| format!("{year:04}{month:02}"))
    }
}

fn is_root(root: &str) -> bool {
    (1..=4).contains(&root.len()) && root.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn is_known(root: &str) -> bool {
    // The catalogue reads dated spellings as well: only a root is its own.
    Symbol::parse(root).is_ok_and(|symbol| {
        let found = instruments::resolve(&symbol);
        is_root(root) && found.asset_class == AssetClass::Future && instruments::canonical(&symbol) == symbol
    })
}

/// A day as the broker writes it: `20261218`.
#[must_use]
pub fn day(number: u32) -> Option<Date> {
    let part = |divisor: u32, modulus: u32| number / divisor % modulus;
    Date::new(
        i16::try_from(number / 10_000).ok()?,
        i8::try_from(part(100, 100)).ok()?,
        i8::try_from(part(1, 100)).ok()?,
    )
    .ok()
}

/// The last day on which a contract can be traded and held either way.
#[must_use]
pub fn last_day(row: &FutureRow) -> Option<Date> {
    let limits = [row.ltd, row.long_futures_cut_off, row.short_futures_cut_off];
    let days = limits.into_iter().flatten().filter(|day| *day > 0).chain([row.expiration_date]);
    day(days.min()?)
}

/// The contracts that a root may stand for, the front one first: those that are further than `roll_days` from their last day.
#[must_use]
pub fn fronts(rows: &[FutureRow], today: Date, roll_days: u32) -> Vec<FutureRow> {
    let far_enough = |row: &&FutureRow| {
        last_day(row)
            .is_some_and(|last| (last - today).get_days() > i32::try_from(roll_days).unwrap_or(i32::MAX))
    };
    let mut rows: Vec<_> = rows.iter().filter(far_enough).cloned().collect();
    rows.sort_by_key(|row| (row.expiration_date, row.conid));
    rows
}

/// The contracts whose month may be the one named, the likeliest first: some expire in the month before.
#[must_use]
pub fn of_month(rows: &[FutureRow], (year, month): (i16, i8)) -> Vec<FutureRow> {
    let months = |year: i32, month: i32| year * 12 + month;
    let wanted = months(i32::from(year), i32::from(month));
    let distance = |row: &FutureRow| {
        let day = day(row.expiration_date)?;
        Some((months(i32::from(day.year()), i32::from(day.month())) - wanted).abs())
    };
    let mut near: Vec<_> = rows
        .iter()
        .filter_map(|row| Some((distance(row)?, row.clone())))
        .filter(|(far, _)| *far <= 2)
        .collect();
    near.sort_by_key(|(far, row)| (*far, row.expiration_date, row.conid));
    near.into_iter().map(|(_, row)| row).collect()
}

//! A lane in a box: virtual time, a venue that obeys a script, and an in-memory book with the store's rules.

// Each test program uses its own part of this.
#![allow(dead_code)]

pub mod book;
pub mod venue;
pub mod world;

use atomik_domain::{Qty, SignedQty};
use rust_decimal::Decimal;

/// A quantity.
pub fn qty(units: i64) -> Qty {
    Qty(Decimal::from(units))
}

/// A quantity with a direction.
pub fn net(units: i64) -> SignedQty {
    SignedQty(Decimal::from(units))
}

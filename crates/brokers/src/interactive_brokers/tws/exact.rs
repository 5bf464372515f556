//! Doubles and decimals. The socket protocol carries prices, sizes and money as IEEE doubles (its own text form and its
//! protobuf form alike), so what a trader typed as `5000.1` travels as the double nearest to it. The shortest decimal
//! text that reads back as that same double is what was meant, for up to fifteen digits; Rust prints exactly that text.
//! So both ways go through text, and no arithmetic is ever done on a double.

use atomik_domain::money::parse_decimal;
use rust_decimal::Decimal;

/// The decimal a double stands for; `None` for what is no number, or is out of a decimal's reach (TWS marks "not set" with
/// the largest double).
pub(super) fn decimal(double: f64) -> Option<Decimal> {
    let text = double.to_string();
    parse_decimal(&text).map(|decimal| decimal.normalize())
}

/// The double a decimal travels as; `None` where it would come back as another decimal.
pub(super) fn double(exact: Decimal) -> Option<f64> {
    let double: f64 = exact.normalize().to_string().parse().ok()?;
    (decimal(double) == Some(exact.normalize())).then_some(double)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_double_is_the_decimal_that_was_typed() {
        for (double, text) in
            [(5000.1, "5000.1"), (0.1, "0.1"), (-37.63, "-37.63"), (2.0, "2"), (0.000_000_01, "0.00000001")]
        {
            assert_eq!(decimal(double).unwrap().to_string(), text);
        }
        assert_eq!(decimal(0.1 + 0.2).unwrap().to_string(), "0.30000000000000004", "as told, not as meant");
    }

    #[test]
    fn what_is_not_set_is_no_decimal() {
        for double in [f64::MAX, f64::MIN, f64::NAN, f64::INFINITY, 1e40] {
            assert_eq!(decimal(double), None, "{double}");
        }
    }

    #[test]
    fn what_would_come_back_otherwise_does_not_leave() {
        let long = parse_decimal("0.1234567890123456789").unwrap();
        assert_eq!(double(long), None);
        assert_eq!(double(parse_decimal("5000.25").unwrap()), Some(5000.25));
    }

    proptest! {
        #[test]
        fn fifteen_digits_survive_the_way_there_and_back(units in -999_999_999_999_999_i64..=999_999_999_999_999, scale in 0_u32..=12) {
            let exact = Decimal::new(units, scale);
            prop_assert_eq!(double(exact).and_then(decimal), Some(exact.normalize()));
        }
    }
}

//! What TWS's message codes mean for an order. One channel carries errors, warnings and mere news; the code tells them
//! apart. Source: the vendor's table of message codes, and for the codes from 10000 what clients have seen.

/// What a message says about the order whose id it carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ForOrder {
    /// TWS or the exchange refused it: nothing of it was taken, or nothing of it goes on.
    Refused,
    /// Its id was used before. It was not taken, and may go with a higher id.
    DuplicateId,
    /// It was canceled, by whomever.
    Canceled,
    /// It is not open to a cancel.
    NotCancelable,
    /// It goes on.
    Warning,
    /// No document says what becomes of the order.
    Doubt,
}

/// What a message says about the connection, whatever its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ForLink {
    /// TWS has lost its own link: orders go nowhere, reports are held up.
    Down,
    /// The link is back. What happened meanwhile must be asked.
    Back,
    /// The session is over.
    Over,
    /// Nothing.
    Nothing,
}

/// Orders refused: by TWS before it sends them, or by the exchange after. Only codes whose text says that the order does not
/// go; with all others the order is looked up.
const REFUSALS: &[i32] = &[
    // Cannot be transmitted, price out of range, price off the tick, time in force against order type, dead exchange.
    106, 107, 109, 110, 111, 113, 116, 132, 133, //
    // No such contract, rejected, not available to this account, wrong request (the read-only mode among them).
    200, 201, 203, 321, //
    // Size against the market's rule or the limits, order type not of this exchange, expired, not available for trading.
    355, 382, 383, 387, 388, 392, 412, //
    // Size of zero, no or a wrong account, no permission to trade this.
    434, 435, 436, 460, 461, //
    // A time in force that does not exist, a fraction of a share, a quantity in cash.
    10_052, 10_243, 10_244,
];

/// What a code says about an order.
pub(super) fn for_order(code: i32) -> ForOrder {
    match code {
        103 => ForOrder::DuplicateId,
        202 => ForOrder::Canceled,
        135 | 136 | 161 | 10_147 | 10_148 => ForOrder::NotCancelable,
        // Order messages, held while shares are located, sizes capped, defaults applied; and everything from 2100.
        131 | 399 | 404 | 481 | 2100..=2199 | 10_349 => ForOrder::Warning,
        code if REFUSALS.contains(&code) => ForOrder::Refused,
        _ => ForOrder::Doubt,
    }
}

/// What a code says about the link.
pub(super) fn for_link(code: i32) -> ForLink {
    match code {
        1100 | 2110 => ForLink::Down,
        1101 | 1102 => ForLink::Back,
        // Socket port reset, no connection, bad framing; and the client's own: frames were lost or cannot be read.
        326 | 502 | 503 | 504 | 507 | 1300 | -5 | -6 | -7 | -8 => ForLink::Over,
        _ => ForLink::Nothing,
    }
}

/// What to do about it.
pub(super) const READ_ONLY: &str =
    "TWS is in read-only mode: take the tick from \"Read-Only API\" in its API settings.";

/// Whether a message says that TWS takes no orders by its API.
pub(super) fn is_read_only(code: i32, message: &str) -> bool {
    code == 321 && message.to_ascii_lowercase().contains("read-only")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_documented_code_has_its_outcome() {
        let table = [
            (103, ForOrder::DuplicateId),
            (110, ForOrder::Refused),
            (200, ForOrder::Refused),
            (201, ForOrder::Refused),
            (202, ForOrder::Canceled),
            (203, ForOrder::Refused),
            (321, ForOrder::Refused),
            (354, ForOrder::Doubt),
            (399, ForOrder::Warning),
            (404, ForOrder::Warning),
            (434, ForOrder::Refused),
            (2104, ForOrder::Warning),
            (2109, ForOrder::Warning),
            (10_147, ForOrder::NotCancelable),
            (10_148, ForOrder::NotCancelable),
            (10_243, ForOrder::Refused),
            // What no document explains proves nothing.
            (100, ForOrder::Doubt),
            (322, ForOrder::Doubt),
            (1100, ForOrder::Doubt),
            (31_337, ForOrder::Doubt),
        ];
        for (code, meaning) in table {
            assert_eq!(for_order(code), meaning, "{code}");
        }
    }

    #[test]
    fn each_code_of_the_link_has_its_consequence() {
        let table = [
            (1100, ForLink::Down),
            (2110, ForLink::Down),
            (1101, ForLink::Back),
            (1102, ForLink::Back),
            (502, ForLink::Over),
            (504, ForLink::Over),
            (507, ForLink::Over),
            (1300, ForLink::Over),
            (-6, ForLink::Over),
            (2104, ForLink::Nothing),
            (2106, ForLink::Nothing),
            (2158, ForLink::Nothing),
            (201, ForLink::Nothing),
        ];
        for (code, meaning) in table {
            assert_eq!(for_link(code), meaning, "{code}");
        }
    }
}

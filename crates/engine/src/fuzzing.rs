//! What anybody may send to a webhook, any bytes at all: read as the receiver reads it. For the fuzzer, and for the tests that put
//! its inputs through again.

use atomik_domain::Alert;
use atomik_domain::alert::{ExitPercent, Intention, MAX_ID_BYTES};
use rust_decimal::Decimal;

use crate::intake::{masked, masked_text};

/// A target: its name, and what reads an input.
pub type Target = (&'static str, fn(&[u8]));

/// What is read of a request.
pub const TARGETS: [Target; 2] = [("webhook_body", body), ("comment", comment)];

/// A secret of the form that ours have.
const SECRET: &str = "5ec2e75ec2e75ec2e75ec2e75ec2e75ec2e75ec2e75ec2e75ec2e75ec2e75ec2";
const KEPT: usize = 4_096;

/// A webhook's body.
///
/// # Panics
/// Where something is untrue that is always true.
pub fn body(input: &[u8]) {
    let alert = Alert::parse(input);
    let in_body = Alert::secret_in(input);
    let mut known = vec![SECRET];
    known.extend(in_body.as_deref());
    let kept = masked(input, &known, KEPT);
    assert!(kept.len() <= KEPT && !kept.contains(&SECRET[..40]));
    match alert {
        Ok(alert) => {
            assert_eq!(alert.secret, in_body, "both readers see the same secret");
            assert!(alert.id.as_ref().is_none_or(|id| !id.is_empty() && id.len() <= MAX_ID_BYTES));
            assert!(
                alert.comment.as_ref().is_none_or(|text| !text.is_empty() && text.chars().count() <= 128)
            );
            if let Intention::Exit(part) = alert.intention {
                check_part(part);
            }
        }
        Err(error) => {
            let said = masked_text(error.to_string(), &known);
            assert!(said.chars().count() < 500, "the refusal is a sentence: {said}");
        }
    }
}

/// A comment.
///
/// # Panics
/// Where something is untrue that is always true.
pub fn comment(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let read = Intention::parse(text);
    let word = text.trim().to_ascii_uppercase();
    // Whole percents by another way: what reads as one of them is an exit of that many, and nothing else of that form is.
    let digits = word.strip_prefix("EXIT_").filter(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
    if let Some(number) = digits
        .filter(|digits| (1..=20).contains(&digits.len()))
        .and_then(|digits| digits.parse::<u128>().ok())
    {
        let part = u32::try_from(number).ok().and_then(|number| ExitPercent::new(Decimal::from(number)));
        assert_eq!(read.as_ref().ok(), part.map(Intention::Exit).as_ref(), "{word}");
    }
    match read {
        Ok(Intention::Exit(part)) => {
            assert!(word.starts_with("EXIT_"), "{word}");
            check_part(part);
        }
        Ok(Intention::Entry) => assert_eq!(word, "ENTRY"),
        Ok(Intention::Bare) => assert!(!word.starts_with("EXIT_")),
        Err(error) => {
            assert!(word.starts_with("EXIT_") && error.to_string().contains("is not an exit"), "{error}")
        }
    }
}

fn check_part(part: ExitPercent) {
    assert!(part.get() > Decimal::ZERO && part.get() <= Decimal::ONE_HUNDRED);
}

#[cfg(test)]
mod tests {
    use atomik_testkit::fuzz::replay;

    #[test]
    fn nothing_that_is_sent_to_a_webhook_is_a_panic() {
        for (name, run) in super::TARGETS {
            replay(name, run);
        }
    }
}

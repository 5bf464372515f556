//! Takes secrets out of payloads before they are kept.

/// What stands where a secret stood.
const MASK: &str = "***";
/// A run of this many hex digits or more is taken for a secret whatever it is called.
const SECRET_RUN: usize = 40;

/// The payload as text, cut to `max_bytes`, with the value of every "secret" key, every `known` secret and every long run
/// of hex digits masked. Works on bodies that are no JSON too.
#[must_use]
pub fn masked(body: &[u8], known: &[&str], max_bytes: usize) -> String {
    let mut text = String::from_utf8_lossy(body).replace('\0', "\u{FFFD}");
    for secret in known.iter().filter(|secret| !secret.is_empty()) {
        if text.contains(secret) {
            text = text.replace(secret, MASK);
        }
    }
    let text = mask_secret_values(&text);
    let mut text = mask_hex_runs(&text);
    if text.len() > max_bytes {
        let end = (0..=max_bytes).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
    }
    text
}

/// Masks the string after each `"secret":`, in any case.
fn mask_secret_values(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    while let Some(found) = lower[from..].find("\"secret\"") {
        let after_key = from + found + "\"secret\"".len();
        let value = text[after_key..].trim_start_matches([' ', '\t', '\r', '\n', ':']);
        let start = text.len() - value.len();
        out.push_str(&text[from..start]);
        from = start;
        if let Some(rest) = value.strip_prefix('"') {
            let end = string_end(rest);
            out.push_str("\"***");
            from = start + 1 + end;
        }
    }
    out.push_str(&text[from..]);
    out
}

/// Where a JSON string's closing quote is, or its end where there is none.
fn string_end(text: &str) -> usize {
    let mut escaped = false;
    for (place, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return place,
            _ => {}
        }
    }
    text.len()
}

fn mask_hex_runs(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let run = rest.bytes().take_while(u8::is_ascii_hexdigit).count();
        if run >= SECRET_RUN {
            out.push_str(MASK);
        } else {
            out.push_str(&rest[..run]);
        }
        rest = &rest[run..];
        let plain = rest.bytes().take_while(|byte| !byte.is_ascii_hexdigit()).count();
        out.push_str(&rest[..plain]);
        rest = &rest[plain..];
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_wherever_they_stand() {
        let secret = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
        let body = format!(r#"{{"action":"BUY","Secret" : "hun\"ter2","note":"{secret}"}}"#);
        let kept = masked(body.as_bytes(), &[], 4_096);
        assert_eq!(kept, r#"{"action":"BUY","Secret" : "***","note":"***"}"#);
        assert_eq!(masked(b"{\"secret\":\"abc", &[], 99), "{\"secret\":\"***");
        assert_eq!(masked(b"say plum again", &["plum"], 99), "say *** again");
    }

    #[test]
    fn a_cut_never_splits_a_character() {
        assert_eq!(masked("ääää".as_bytes(), &[], 3), "ä");
    }
}

//! Takes secrets out of payloads, and out of what is said of them, before they are kept.

use std::borrow::Cow;

/// What stands where a secret stood.
const MASK: &str = "***";
/// A run of this many hex digits or more is taken for a secret whatever it is called.
const SECRET_RUN: usize = 40;

/// How much of a secret's beginning is taken for the secret: texts that are shown are cut.
const TELLING_PREFIX: usize = 12;

/// The payload as text, cut to `max_bytes`, with the value of every "secret" key, every `known` secret and every long run
/// of hex digits masked, also where they are written in JSON's escapes. Works on bodies that are no JSON too.
#[must_use]
pub fn masked(body: &[u8], known: &[&str], max_bytes: usize) -> String {
    let text = String::from_utf8_lossy(body);
    let text = changed(text, |text| text.contains('\0').then(|| text.replace('\0', "\u{FFFD}")));
    let text = changed(text, |text| mask_escaped(text, known));
    let text = changed(text, mask_secret_values);
    let mut text = without_secrets(text, known).into_owned();
    if text.len() > max_bytes {
        let end = (0..=max_bytes).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
    }
    text
}

/// The text with every `known` secret, or what a cut has left of it, and every long run of hex digits masked.
#[must_use]
pub fn masked_text(text: String, known: &[&str]) -> String {
    without_secrets(Cow::Owned(text), known).into_owned()
}

fn without_secrets<'t>(text: Cow<'t, str>, known: &[&str]) -> Cow<'t, str> {
    let known = known.iter().filter(|secret| !secret.is_empty());
    let text = known.fold(text, |text, secret| changed(text, |text| mask_known(text, secret)));
    changed(text, mask_hex_runs)
}

/// The text as `by` changes it. Almost none needs a change, and is not copied then.
fn changed<'t>(text: Cow<'t, str>, by: impl FnOnce(&str) -> Option<String>) -> Cow<'t, str> {
    by(&text).map_or(text, Cow::Owned)
}

fn mask_known(text: &str, secret: &str) -> Option<String> {
    let telling = secret.char_indices().nth(TELLING_PREFIX).map_or(secret, |(end, _)| &secret[..end]);
    let mut rest = text;
    let mut out = String::new();
    while let Some(at) = rest.find(telling) {
        let found = &rest[at..];
        let same: usize =
            found.chars().zip(secret.chars()).take_while(|(a, b)| a == b).map(|(a, _)| a.len_utf8()).sum();
        out.push_str(&rest[..at]);
        out.push_str(MASK);
        rest = &found[same..];
    }
    (!out.is_empty()).then(|| out + rest)
}

/// Masks each string that holds a secret only once its escapes are read.
fn mask_escaped(text: &str, known: &[&str]) -> Option<String> {
    if !text.contains('\\') {
        return None;
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    loop {
        // What is between two quotes, whichever way round: a stray quote must hide nothing.
        let end = string_end(rest);
        let piece = &rest[..end];
        let read = piece.contains('\\').then(|| serde_json::from_str::<String>(&format!("\"{piece}\"")).ok());
        match read.flatten() {
            Some(read) if without_secrets(Cow::Borrowed(&read), known) != read => out.push_str(MASK),
            _ => out.push_str(piece),
        }
        let Some(after) = rest.get(end + 1..) else { return Some(out) };
        out.push('"');
        rest = after;
    }
}

/// Masks the string after each `"secret":`, in any case.
fn mask_secret_values(text: &str) -> Option<String> {
    const KEY: &[u8] = b"\"secret\"";
    let find = |from: usize| {
        let mut places = text.as_bytes()[from..].windows(KEY.len());
        places.position(|place| place.eq_ignore_ascii_case(KEY)).map(|found| from + found)
    };
    let mut out = String::new();
    let mut from = 0;
    while let Some(found) = find(from) {
        let after_key = found + KEY.len();
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
    (!out.is_empty()).then(|| out + &text[from..])
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

fn mask_hex_runs(text: &str) -> Option<String> {
    let mut out = String::new();
    let (mut kept, mut at) = (0, 0);
    while at < text.len() {
        let run = text.as_bytes()[at..].iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        if run >= SECRET_RUN {
            out.push_str(&text[kept..at]);
            out.push_str(MASK);
            kept = at + run;
        }
        at += run + 1;
    }
    (kept > 0).then(|| out + &text[kept..])
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
        assert_eq!(masked(b"", &[""], 99), "");
        let twice = format!("{secret} \u{e4}{secret}g{} {}", &secret[..40], &secret[..39]);
        assert_eq!(masked(twice.as_bytes(), &[], 999), format!("*** \u{e4}***g*** {}", &secret[..39]));
    }

    #[test]
    fn secrets_in_escapes_are_masked_and_other_escapes_are_left_alone() {
        let escaped = |text: &str| text.bytes().map(|byte| format!("\\u00{byte:02X}")).collect::<String>();
        let body = format!(r#"{{"s\u0065cret":"{}","a":"\"\n","b":"x\u00e4"}}"#, escaped("plum"));
        assert_eq!(
            masked(body.as_bytes(), &["plum"], 999),
            r#"{"s\u0065cret":"***","a":"\"\n","b":"x\u00e4"}"#
        );
        let stray = format!(r#"5" {{"a":"{}"#, escaped(&"0123456789".repeat(5)));
        assert_eq!(masked(stray.as_bytes(), &[], 999), r#"5" {"a":"***"#);
    }

    #[test]
    fn what_a_cut_has_left_of_a_secret_is_masked() {
        let secret = "one-of-the-longer-secrets";
        let masked = |text: &str| masked_text(text.to_owned(), &[secret]);
        assert_eq!(masked("EXIT_one-of-the-longer is"), "EXIT_*** is");
        assert_eq!(masked("one-of-the-lone-one-of-the-l"), "***e-***");
        assert_eq!(masked("one-of-these"), "one-of-these");
    }

    #[test]
    fn a_cut_never_splits_a_character() {
        assert_eq!(masked("ääää".as_bytes(), &[], 3), "ä");
    }
}

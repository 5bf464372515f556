//! Making canaries and finding them again.

use std::fs;
use std::io::Read;
use std::path::Path;

/// How much of a canary has to be there to count: texts are cut and shortened on their way.
const PIECE: usize = 12;
const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    fs::File::open("/dev/urandom").unwrap().read_exact(&mut bytes).unwrap();
    bytes
}

/// A secret in letters that no hex digit is among, so that nothing takes it for a key of ours and hides it for that.
pub fn letters() -> String {
    random::<24>().iter().map(|byte| char::from(b'g' + byte % 20)).collect()
}

/// A secret as the program makes them: 64 hex digits.
pub fn digits() -> String {
    random::<32>().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Secrets, by what they are.
#[derive(Default)]
pub struct Canaries {
    all: Vec<(String, String)>,
}

impl Canaries {
    pub fn add(&mut self, name: &str, secret: &str) -> String {
        assert!(secret.len() >= PIECE, "{name} is too short to be told from anything else");
        self.all.push((name.to_owned(), secret.to_owned()));
        secret.to_owned()
    }

    pub fn with_letters(&mut self, name: &str) -> String {
        self.add(name, &letters())
    }

    pub fn with_digits(&mut self, name: &str) -> String {
        self.add(name, &digits())
    }

    /// No canary is in these bytes, whole or in part, in any form.
    pub fn assert_absent(&self, place: &str, bytes: &[u8]) {
        // In lower case everything: then there is one form of hex digits and of percent signs.
        let text = String::from_utf8_lossy(bytes).to_ascii_lowercase();
        for (name, secret) in &self.all {
            for (form, written) in forms(secret) {
                let Some(at) = text.find(&written) else { continue };
                let around =
                    text.floor_char_boundary(at.saturating_sub(100))..text.ceil_char_boundary(at + 100);
                panic!("{place} has the {name} ({form}): …{}…", &text[around]);
            }
        }
    }

    /// No canary is in a file below a directory, but for the one that holds the master key.
    pub fn assert_absent_below(&self, directory: &Path) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                self.assert_absent_below(&path);
            } else if !path.ends_with("master.key") {
                self.assert_absent(&path.display().to_string(), &fs::read(&path).unwrap());
            }
        }
    }
}

/// How a secret may be written, in lower case: its beginning and its end, each in every form.
fn forms(secret: &str) -> Vec<(&'static str, String)> {
    let bytes = secret.as_bytes();
    let mut forms = Vec::new();
    for piece in [&bytes[..PIECE], &bytes[bytes.len() - PIECE..]] {
        let each = |before: &str| piece.iter().map(|byte| format!("{before}{byte:02x}")).collect::<String>();
        forms.push(("plain", String::from_utf8_lossy(piece).into_owned()));
        forms.push(("hex", each("")));
        forms.push(("percent", each("%")));
        forms.push(("JSON escapes", each("\\u00")));
        forms.extend((0..3).map(|offset| ("base64", base64_amid(piece, offset))));
    }
    forms.iter_mut().for_each(|(_, form)| form.make_ascii_lowercase());
    forms
}

/// What a piece that begins `offset` bytes after a multiple of three looks like amid base64: the digits that are its own.
fn base64_amid(piece: &[u8], offset: usize) -> String {
    let bits = |at: usize| {
        let byte = (at / 8).checked_sub(offset).and_then(|at| piece.get(at))?;
        Some(byte >> (7 - at % 8) & 1)
    };
    let digit = |number: usize| {
        let six: Option<Vec<u8>> = (number * 6..number * 6 + 6).map(bits).collect();
        Some(char::from(BASE64[usize::from(six?.iter().fold(0, |sum, bit| sum << 1 | bit))]))
    };
    (0..(offset + piece.len()) * 8 / 6).filter_map(digit).collect()
}

#[test]
fn every_form_is_found() {
    let mut canaries = Canaries::default();
    let secret = canaries.add("test", "GhijklmNopqrstuvwxyz");
    let each = |before: &str| secret.bytes().map(|byte| format!("{before}{byte:02X}")).collect::<String>();
    let texts = [
        format!("x{secret}x"),
        secret.to_uppercase(),
        secret[..13].to_owned(),
        secret[7..].to_owned(),
        each(""),
        each("%"),
        each("\\u00"),
        "R2hpamtsbU5vcHFyc3R1dnd4eXo=".to_owned(),
        "eEdoaWprbG1Ob3BxcnN0dXZ3eHl6".to_owned(),
        "eHhHaGlqa2xtTm9wcXJzdHV2d3h5eg==".to_owned(),
    ];
    for text in texts {
        let found = std::panic::catch_unwind(|| canaries.assert_absent("here", text.as_bytes()));
        assert!(found.is_err(), "not found: {text}");
    }
    canaries.assert_absent("here", b"Ghijklm, and Nopqrst");
}

//! What OpenSSL writes: private RSA keys in both of their forms, and Diffie-Hellman parameters.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::zeroize::Zeroizing;

/// The tags of DER that occur here.
const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const SEQUENCE: u8 = 0x30;
/// Version 0, and "the key is of RSA" (1.2.840.113549.1.1.1), as RFC 5208 and RFC 8017 have it.
const RSA_PREFIX: [u8; 18] = [2, 1, 0, 0x30, 13, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 5, 0];

/// A block between `-----BEGIN LABEL-----` and `-----END LABEL-----`.
struct Block<'a> {
    label: &'a str,
    der: Zeroizing<Vec<u8>>,
}

/// The first block of a text (RFC 7468); what surrounds it is for people.
fn block(text: &str) -> Option<Block<'_>> {
    let (_, rest) = text.split_once("-----BEGIN ")?;
    let (label, rest) = rest.split_once("-----")?;
    let (body, _) = rest.split_once(&format!("-----END {label}-----"))?;
    let base64: Zeroizing<String> = Zeroizing::new(body.split_whitespace().collect());
    let der = Zeroizing::new(STANDARD.decode(base64.as_bytes()).ok()?);
    Some(Block { label, der })
}

/// A private RSA key in the form of PKCS#8, whichever it was written in.
///
/// # Errors
/// What is wrong, for people.
pub(super) fn rsa_key(text: &str) -> Result<Zeroizing<Vec<u8>>, &'static str> {
    let form = "must be a private RSA key in PEM, from its -----BEGIN line to its -----END line";
    if text.contains("ENCRYPTED") {
        return Err("must be a key without a passphrase");
    }
    let Some(Block { label, der }) = block(text) else { return Err(form) };
    match label {
        "PRIVATE KEY" => Ok(der),
        "RSA PRIVATE KEY" => Ok(as_pkcs8(&der)),
        "PUBLIC KEY" | "RSA PUBLIC KEY" => {
            Err("is the public key, which goes to the broker: give the private one")
        }
        _ => Err(form),
    }
}

fn as_pkcs8(pkcs1: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut inner = Zeroizing::new(RSA_PREFIX.to_vec());
    inner.extend_from_slice(&value(OCTETS, pkcs1));
    value(SEQUENCE, &inner)
}

/// A value with its tag and its length.
fn value(tag: u8, content: &[u8]) -> Zeroizing<Vec<u8>> {
    let length = content.len().to_be_bytes();
    let significant = length.iter().position(|byte| *byte != 0).unwrap_or(length.len() - 1);
    let significant = &length[significant..];
    let mut whole = Zeroizing::new(Vec::with_capacity(content.len() + length.len() + 2));
    whole.push(tag);
    match significant {
        [short] if *short < 0x80 => whole.push(*short),
        // At most eight bytes of length.
        long => {
            whole.push(0x80 | u8::try_from(long.len()).unwrap_or(8));
            whole.extend_from_slice(long);
        }
    }
    whole.extend_from_slice(content);
    whole
}

/// A prime and its generator, big-endian: from what `openssl dhparam` writes (PKCS#3), or the prime alone in hexadecimal
/// digits, whose generator is 2.
///
/// # Errors
/// What is wrong, for people.
pub(super) fn dh_parameters(text: &str) -> Result<(Vec<u8>, Vec<u8>), &'static str> {
    let form = "must be Diffie-Hellman parameters in PEM (the file dhparam.pem), or their prime in hexadecimal digits";
    let Some(Block { label, der }) = block(text) else {
        let digits: String = text.split_whitespace().collect();
        let digits = digits.strip_prefix("0x").unwrap_or(&digits);
        let padded = if digits.len() % 2 == 1 { format!("0{digits}") } else { digits.to_owned() };
        let prime = hex::decode(padded).map_err(|_| form)?;
        return if prime.is_empty() { Err(form) } else { Ok((prime, vec![2])) };
    };
    if label != "DH PARAMETERS" {
        return Err(form);
    }
    let (numbers, _) = take(&der, SEQUENCE).ok_or(form)?;
    let (prime, rest) = take(numbers, INTEGER).ok_or(form)?;
    let (generator, _) = take(rest, INTEGER).ok_or(form)?;
    Ok((prime.to_vec(), generator.to_vec()))
}

/// The content of the value that comes first, if it has this tag; and what follows it.
fn take(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
        // Two bytes count to 65535, and no number here is as long.
        let length = match digits {
            [one] => usize::from(*one),
            [high, low] => usize::from(*high) << 8 | usize::from(*low),
            _ => return None,
        };
        (length, rest)
    };
    (found == tag).then(|| rest.split_at_checked(length)).flatten()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn lengths_are_written_as_they_are_read() {
        for length in [0, 1, 0x7f, 0x80, 0xff, 0x100, 0xffff] {
            let content = vec![7; length];
            let whole = value(SEQUENCE, &content);
            assert_eq!(take(&whole, SEQUENCE), Some((content.as_slice(), &[][..])), "{length}");
            assert_eq!(take(&whole, INTEGER), None);
            assert_eq!(take(&whole[..whole.len() - 1], SEQUENCE), None, "cut short: {length}");
        }
    }

    #[test]
    fn a_prime_may_be_given_by_its_digits() {
        assert_eq!(dh_parameters("  0xF1\n23 ").unwrap(), (vec![0xf1, 0x23], vec![2]));
        assert_eq!(dh_parameters("f12").unwrap(), (vec![0x0f, 0x12], vec![2]));
        for wrong in ["", "xyz", "-----BEGIN DH PARAMETERS-----\nAAAA\n-----END DH PARAMETERS-----"] {
            assert!(dh_parameters(wrong).is_err(), "{wrong}");
        }
        // SEQUENCE { INTEGER 0x00f1, INTEGER 5 }
        let pem = "-----BEGIN DH PARAMETERS-----\nMAcCAgDxAgEF\n-----END DH PARAMETERS-----\n";
        assert_eq!(dh_parameters(pem).unwrap(), (vec![0, 0xf1], vec![5]));
    }

    #[test]
    fn what_is_no_private_key_says_what_it_is() {
        let pem = |label: &str| format!("-----BEGIN {label}-----\nMAcCAgDxAgEF\n-----END {label}-----\n");
        assert!(rsa_key(&pem("PUBLIC KEY")).unwrap_err().contains("public"));
        assert!(rsa_key(&pem("ENCRYPTED PRIVATE KEY")).unwrap_err().contains("passphrase"));
        for wrong in ["", "x", &pem("CERTIFICATE"), "-----BEGIN PRIVATE KEY-----\nMAcC"] {
            assert!(rsa_key(wrong).unwrap_err().starts_with("must be a private RSA key"), "{wrong}");
        }
        assert_eq!(rsa_key(&pem("PRIVATE KEY")).unwrap().len(), 9);
        assert_eq!(rsa_key(&pem("RSA PRIVATE KEY")).unwrap().len(), 9 + 18 + 2 + 2);
    }
}

//! The Diffie-Hellman exchange, and the live session token that comes of it.
//!
//! Both sides raise a generator to a secret number of their own, modulo a prime that the trader made, and exchange what
//! comes of it. The secret that they share signs the access token's secret (HMAC-SHA1), and that is the live session token.
//! Exponents are secret: they are raised in constant time.

use std::fmt;

use aws_lc_rs::hmac::{self, HMAC_SHA1_FOR_LEGACY_USE_ONLY, HMAC_SHA256, Key, Tag};
use crypto_bigint::modular::{MontyForm, MontyParams};
use crypto_bigint::{Odd, U256, U2048};
use secrecy::zeroize::Zeroizing;

/// How long a secret exponent is, in bytes.
pub const EXPONENT: usize = 32;
/// How long the prime is, in bytes. The broker takes primes of 2048 bits.
pub const PRIME: usize = 256;

/// The prime and the generator.
#[derive(Clone)]
pub struct Group {
    prime: Odd<U2048>,
    params: MontyParams<{ U2048::LIMBS }>,
    generator: U2048,
}

impl fmt::Debug for Group {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Group")
    }
}

/// A number of these big-endian bytes, which may begin with zeros.
fn number(bytes: &[u8]) -> Option<U2048> {
    let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
    let significant = &bytes[start..];
    let mut whole = [0; PRIME];
    let free = PRIME.checked_sub(significant.len())?;
    whole[free..].copy_from_slice(significant);
    Some(U2048::from_be_slice(&whole))
}

impl Group {
    /// Takes a prime and a generator, big-endian.
    ///
    /// # Errors
    /// What is wrong with them, for people. Whether the prime is one is not tried: OpenSSL made sure of that.
    pub fn new(prime: &[u8], generator: &[u8]) -> Result<Self, &'static str> {
        let size = "must have a prime of 2048 bits: make them with openssl dhparam -out dhparam.pem 2048";
        let prime = number(prime).filter(|prime| prime.bits() == U2048::BITS).ok_or(size)?;
        let prime = Option::<Odd<U2048>>::from(Odd::new(prime)).ok_or("must have a prime, which is odd")?;
        let generator = number(generator).filter(|generator| *generator > U2048::ONE);
        let generator = generator.filter(|generator| generator < prime.as_ref());
        let generator = generator.ok_or("must have a generator between 1 and the prime")?;
        Ok(Self { params: MontyParams::new(prime), prime, generator })
    }

    fn power(&self, base: &U2048, exponent: &[u8; EXPONENT]) -> U2048 {
        MontyForm::new(base, self.params).pow(&U256::from_be_slice(exponent)).retrieve()
    }

    /// What is sent to the broker for an exponent: lower-case hexadecimal digits, none of them a leading zero.
    #[must_use]
    pub fn challenge(&self, exponent: &[u8; EXPONENT]) -> String {
        let digits = hex::encode(to_bytes(&self.power(&self.generator, exponent)).as_slice());
        digits.trim_start_matches('0').to_owned()
    }

    /// What both sides know in the end, of the broker's hexadecimal digits.
    ///
    /// # Errors
    /// Where the digits are no number that an honest side could have sent: everybody would know the secret.
    pub fn shared(&self, response: &str, exponent: &[u8; EXPONENT]) -> Result<Shared, &'static str> {
        let strange = "the broker's part of the key exchange is no number of the Diffie-Hellman group";
        let digits = response.trim();
        let padded = if digits.len() % 2 == 1 { format!("0{digits}") } else { digits.to_owned() };
        let theirs = hex::decode(padded).ok().and_then(|bytes| number(&bytes)).ok_or(strange)?;
        let last = self.prime.as_ref().wrapping_sub(&U2048::ONE);
        if theirs <= U2048::ONE || theirs >= last {
            return Err(strange);
        }
        Ok(Shared(signed_bytes(&to_bytes(&self.power(&theirs, exponent)))))
    }
}

fn to_bytes(number: &U2048) -> Zeroizing<Vec<u8>> {
    let words = number.as_words().iter().rev();
    Zeroizing::new(words.flat_map(|word| word.to_be_bytes()).collect())
}

/// A number's bytes as Java writes them (`BigInteger.toByteArray`): no more than needed, and a zero before a first byte whose
/// highest bit is set.
fn signed_bytes(bytes: &[u8]) -> Zeroizing<Vec<u8>> {
    let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
    let significant = &bytes[start..];
    let mut signed = Zeroizing::new(Vec::with_capacity(significant.len() + 1));
    if significant.first().is_none_or(|first| first & 0x80 != 0) {
        signed.push(0);
    }
    signed.extend_from_slice(significant);
    signed
}

/// The secret that both sides know.
pub struct Shared(Zeroizing<Vec<u8>>);

impl fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Shared")
    }
}

impl Shared {
    /// The live session token, from the access token's secret, if it is the one that the broker signed.
    ///
    /// # Errors
    /// Where the broker knows another one. `signature` are its hexadecimal digits; the comparison takes the same time
    /// wherever they differ.
    pub fn token(&self, secret: &[u8], consumer_key: &str, signature: &str) -> Result<LiveToken, Mismatch> {
        let token = hmac::sign(&Key::new(HMAC_SHA1_FOR_LEGACY_USE_ONLY, &self.0), secret);
        let proof = Key::new(HMAC_SHA1_FOR_LEGACY_USE_ONLY, token.as_ref());
        let signature = hex::decode(signature.trim()).map_err(|_| Mismatch)?;
        hmac::verify(&proof, consumer_key.as_bytes(), &signature).map_err(|_| Mismatch)?;
        Ok(LiveToken(Key::new(HMAC_SHA256, token.as_ref())))
    }
}

/// The broker has another live session token than we have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mismatch;

/// A live session token: what signs every request for a day.
#[derive(Clone)]
pub struct LiveToken(Key);

impl fmt::Debug for LiveToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("LiveToken")
    }
}

impl LiveToken {
    /// The signature of a text.
    pub(super) fn sign(&self, text: &str) -> Tag {
        hmac::sign(&self.0, text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn numbers_are_written_as_java_writes_them() {
        for (bytes, written) in [
            (&[0, 0, 0x7f][..], &[0x7f][..]),
            (&[0, 0x80], &[0, 0x80]),
            (&[0x80, 1], &[0, 0x80, 1]),
            (&[1, 0x80], &[1, 0x80]),
            (&[0, 0], &[0]),
        ] {
            assert_eq!(signed_bytes(bytes).as_slice(), written);
        }
    }

    #[test]
    fn a_group_is_of_2048_bits_and_odd() {
        let mut prime = [0xff; PRIME];
        assert!(Group::new(&prime, &[2]).is_ok());
        let padded: Vec<_> = [0].into_iter().chain(prime).collect();
        assert!(Group::new(&padded, &[2]).is_ok());
        for (prime, generator) in
            [(&[0xff; 128][..], &[2][..]), (&[0xff; 512], &[2]), (&prime, &[1]), (&prime, &prime)]
        {
            assert!(Group::new(prime, generator).is_err());
        }
        prime[PRIME - 1] = 0xfe;
        assert!(Group::new(&prime, &[2]).is_err());
        prime[0] = 0x7f;
        assert!(Group::new(&prime, &[2]).is_err());
    }

    #[test]
    fn numbers_that_give_the_secret_away_are_refused() {
        let prime = [0xff; PRIME];
        let group = Group::new(&prime, &[2]).unwrap();
        let exponent = [7; EXPONENT];
        let below = |less: u8| {
            let mut bytes = prime;
            bytes[PRIME - 1] -= less;
            hex::encode(bytes)
        };
        let long = format!("1{}", below(0));
        for response in ["", "0", "1", "01", "xy", &below(1), &below(0), &long] {
            assert!(group.shared(response, &exponent).is_err(), "{response}");
        }
        assert!(group.shared("2", &exponent).is_ok() && group.shared(&below(2), &exponent).is_ok());
    }
}

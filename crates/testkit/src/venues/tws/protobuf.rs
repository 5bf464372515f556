//! As much of the protobuf encoding as the fake needs, by field numbers.

/// A message being written.
#[derive(Clone, Debug, Default)]
pub(super) struct Out(Vec<u8>);

impl Out {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(u8::try_from(value & 0x7f).expect("seven bits") | 0x80);
            value >>= 7;
        }
        self.0.push(u8::try_from(value).expect("seven bits"));
    }

    fn tag(&mut self, field: u32, kind: u32) {
        self.varint(u64::from(field << 3 | kind));
    }

    fn bytes(mut self, field: u32, bytes: &[u8]) -> Self {
        self.tag(field, 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
        self
    }

    /// An integer.
    pub(super) fn int(mut self, field: u32, value: i64) -> Self {
        self.tag(field, 0);
        self.varint(u64::from_ne_bytes(value.to_ne_bytes()));
        self
    }

    /// A text; an empty one is left out.
    pub(super) fn text(self, field: u32, text: &str) -> Self {
        if text.is_empty() { self } else { self.bytes(field, text.as_bytes()) }
    }

    /// A decimal as the double nearest to it.
    pub(super) fn double(mut self, field: u32, text: &str) -> Self {
        let Ok(double) = text.parse::<f64>() else { return self };
        self.tag(field, 1);
        self.0.extend_from_slice(&double.to_le_bytes());
        self
    }

    /// A message within.
    pub(super) fn message(self, field: u32, inner: &Self) -> Self {
        self.bytes(field, &inner.0)
    }

    /// The bytes.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

#[derive(Clone, Debug)]
enum Value {
    Number(u64),
    Double(f64),
    Bytes(Vec<u8>),
}

/// A message that was read.
#[derive(Clone, Debug, Default)]
pub(super) struct In(Vec<(u32, Value)>);

impl In {
    /// Reads a message; `None` where it is none.
    pub(super) fn read(mut bytes: &[u8]) -> Option<Self> {
        let mut fields = Vec::new();
        while !bytes.is_empty() {
            let tag = varint(&mut bytes)?;
            let field = u32::try_from(tag >> 3).ok()?;
            let value = match tag & 7 {
                0 => Value::Number(varint(&mut bytes)?),
                1 => Value::Double(f64::from_le_bytes(take(&mut bytes, 8)?.try_into().ok()?)),
                2 => {
                    let length = usize::try_from(varint(&mut bytes)?).ok()?;
                    Value::Bytes(take(&mut bytes, length)?.to_vec())
                }
                _ => return None,
            };
            fields.push((field, value));
        }
        Some(Self(fields))
    }

    fn find(&self, field: u32) -> Option<&Value> {
        self.0.iter().rfind(|(number, _)| *number == field).map(|(_, value)| value)
    }

    /// An integer; 0 where it is missing.
    pub(super) fn int(&self, field: u32) -> i32 {
        match self.find(field) {
            Some(Value::Number(number)) => {
                i32::try_from(i64::from_ne_bytes(number.to_ne_bytes())).unwrap_or(0)
            }
            _ => 0,
        }
    }

    /// A text; empty where it is missing.
    pub(super) fn text(&self, field: u32) -> String {
        match self.find(field) {
            Some(Value::Bytes(bytes)) => String::from_utf8_lossy(bytes).into_owned(),
            _ => String::new(),
        }
    }

    /// A double as the shortest text that means it; empty where it is missing.
    pub(super) fn double(&self, field: u32) -> String {
        match self.find(field) {
            Some(Value::Double(double)) if *double < f64::MAX => double.to_string(),
            _ => String::new(),
        }
    }

    /// A message within; an empty one where it is missing.
    pub(super) fn message(&self, field: u32) -> Self {
        match self.find(field) {
            Some(Value::Bytes(bytes)) => Self::read(bytes).unwrap_or_default(),
            _ => Self::default(),
        }
    }
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(taken)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let byte = *take(bytes, 1)?.first()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let inner = Out::default().text(2, "AAPL").double(9, "123.45");
        let bytes = Out::default().int(1, -7).message(2, &inner).int(3, 300).into_bytes();
        let read = In::read(&bytes).unwrap();
        assert_eq!((read.int(1), read.int(3), read.int(4)), (-7, 300, 0));
        assert_eq!(
            (read.message(2).text(2), read.message(2).double(9)),
            ("AAPL".to_owned(), "123.45".to_owned())
        );
        assert!(In::read(&bytes[..bytes.len() - 1]).is_none());
    }
}

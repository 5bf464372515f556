//! Frames and the handshake.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;

use super::answers::Answer;
use super::requests::Request;

/// The newest version that the fake speaks. From 213 on every message it knows has a protobuf form.
const NEWEST: i32 = 213;
/// The newest version of the text form that it speaks.
const NEWEST_TEXT: i32 = 178;
/// From this version on messages may be protobuf.
const PROTOBUF: i32 = 201;
/// What a protobuf message's number is raised by.
const RAISED_BY: i32 = 200;
/// The longest frame.
const MAX_FRAME: u32 = 0x00ff_ffff;

/// In which form a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Text,
    Protobuf,
}

impl Form {
    /// A request of a frame.
    pub(super) fn read(self, frame: &[u8]) -> Option<Request> {
        match self {
            Self::Text => Request::of_text(frame),
            Self::Protobuf => {
                let (number, body) = frame.split_first_chunk::<4>()?;
                let number = i32::from_be_bytes(*number);
                // A text message may still come, its number in four bytes before its fields.
                match number.checked_sub(RAISED_BY).filter(|number| *number > 0) {
                    Some(number) => Request::of_protobuf(number, body),
                    None => {
                        let mut text = format!("{number}\0").into_bytes();
                        text.extend_from_slice(body);
                        Request::of_text(&text)
                    }
                }
            }
        }
    }

    /// An answer as a frame, its length included.
    pub(super) fn write(self, answer: &Answer) -> Vec<u8> {
        match self {
            Self::Text => framed(
                &answer
                    .fields()
                    .into_iter()
                    .flat_map(|field| {
                        let mut bytes = field.into_bytes();
                        bytes.push(0);
                        bytes
                    })
                    .collect::<Vec<_>>(),
            ),
            Self::Protobuf => {
                let (number, body) = answer.message();
                let mut bytes = (number + RAISED_BY).to_be_bytes().to_vec();
                bytes.extend(body.into_bytes());
                framed(&bytes)
            }
        }
    }

    /// A status that nobody can read.
    pub(super) fn garbage(self) -> Vec<u8> {
        match self {
            Self::Text => framed(b"3\0what?\0"),
            Self::Protobuf => {
                let mut bytes = (3 + RAISED_BY).to_be_bytes().to_vec();
                bytes.extend([0xff; 5]);
                framed(&bytes)
            }
        }
    }
}

fn framed(body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).expect("a short frame");
    let mut frame = length.to_be_bytes().to_vec();
    frame.extend_from_slice(body);
    frame
}

/// Reads a frame; `None` where the connection ended, or what came is no frame.
pub(super) async fn frame(socket: &mut OwnedReadHalf) -> Option<Vec<u8>> {
    let length = socket.read_u32().await.ok().filter(|length| *length <= MAX_FRAME)?;
    let mut body = vec![0; usize::try_from(length).ok()?];
    socket.read_exact(&mut body).await.ok()?;
    Some(body)
}

/// Greets a client: `API\0`, then the versions that it speaks. `None` where it is none, or the two have no version in
/// common.
pub(super) async fn greet(socket: &mut TcpStream, now: &str) -> Option<Form> {
    let mut prefix = [0; 4];
    socket.read_exact(&mut prefix).await.ok()?;
    if &prefix != b"API\0" {
        return None;
    }
    let length = socket.read_u32().await.ok().filter(|length| *length < 256)?;
    let mut versions = vec![0; usize::try_from(length).ok()?];
    socket.read_exact(&mut versions).await.ok()?;
    let versions = String::from_utf8(versions).ok()?;
    // `v157..178`, perhaps with options behind a blank.
    let range = versions.split_whitespace().next()?.strip_prefix('v')?;
    let (oldest, newest) = range.split_once("..").unwrap_or((range, range));
    let (oldest, newest): (i32, i32) = (oldest.parse().ok()?, newest.parse().ok()?);
    let version = if newest >= NEWEST { NEWEST } else { newest.min(NEWEST_TEXT) };
    if version < oldest {
        return None;
    }
    socket.write_all(&framed(format!("{version}\0{now}\0").as_bytes())).await.ok()?;
    Some(if version >= PROTOBUF { Form::Protobuf } else { Form::Text })
}

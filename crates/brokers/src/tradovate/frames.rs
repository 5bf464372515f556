//! The stream's frames, in the manner of SockJS: `o` opens, `h` is a heartbeat, `a[...]` holds messages, `c` closes.
//! What the client sends is four lines: endpoint, number, query, body.

use serde::Deserialize;
use serde_json::value::RawValue;

/// What the client sends every 2.5 seconds.
pub(super) const HEARTBEAT: &str = "[]";

/// A frame of the venue's.
#[derive(Debug)]
pub(super) enum ServerFrame {
    Open,
    Heartbeat,
    Messages(Vec<Message>),
    Closed(String),
}

/// A message in a frame.
#[derive(Debug)]
pub(super) enum Message {
    /// To a request of ours.
    Answer { id: u64, status: u16, body: Option<Box<RawValue>> },
    /// Entities changed.
    Props(Vec<Change>),
    /// The server ends, and why.
    Shutdown(String),
    /// Something that is not ours to read.
    Other,
}

/// Entities of one kind that changed in one way.
#[derive(Debug)]
pub(super) struct Change {
    pub entity_type: String,
    pub event_type: String,
    pub entities: Vec<Box<RawValue>>,
}

#[derive(Deserialize)]
struct WireMessage {
    e: Option<String>,
    s: Option<u16>,
    i: Option<u64>,
    d: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireChange {
    entity_type: String,
    event_type: String,
    entity: Box<RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct WireShutdown {
    reason_code: Option<String>,
    reason: Option<String>,
}

/// A request of ours. None of the parts may hold a line break.
pub(super) fn request(endpoint: &str, id: u64, query: &str, body: &str) -> String {
    format!("{endpoint}\n{id}\n{query}\n{body}")
}

/// Reads a frame.
///
/// # Errors
/// What is wrong with it: a stream that cannot be read tells nothing any more.
pub(super) fn read(text: &str) -> Result<ServerFrame, String> {
    let (kind, rest) = text.split_at_checked(1).ok_or("an empty frame")?;
    match kind {
        "o" => Ok(ServerFrame::Open),
        "h" => Ok(ServerFrame::Heartbeat),
        "c" => Ok(ServerFrame::Closed(rest.chars().take(200).collect())),
        "a" => {
            let messages: Vec<WireMessage> = serde_json::from_str(rest).map_err(|error| error.to_string())?;
            messages.into_iter().map(message).collect::<Result<_, _>>().map(ServerFrame::Messages)
        }
        _ => Err("a frame of an unknown kind".to_owned()),
    }
}

fn message(message: WireMessage) -> Result<Message, String> {
    if let (Some(id), Some(status)) = (message.i, message.s) {
        return Ok(Message::Answer { id, status, body: message.d });
    }
    match (message.e.as_deref(), message.d) {
        (Some("props"), Some(body)) => changes(&body).map(Message::Props),
        (Some("props"), None) => Err("a change without what changed".to_owned()),
        (Some("shutdown"), body) => {
            let said: WireShutdown =
                body.and_then(|body| serde_json::from_str(body.get()).ok()).unwrap_or_default();
            let reason = said.reason.or(said.reason_code).unwrap_or_else(|| "no reason given".to_owned());
            Ok(Message::Shutdown(reason.chars().take(200).collect()))
        }
        _ => Ok(Message::Other),
    }
}

/// One change or several, of one entity or several.
fn changes(body: &RawValue) -> Result<Vec<Change>, String> {
    let wire = one_or_many::<WireChange>(body)?;
    let read = |change: WireChange| {
        let entities = one_or_many::<Box<RawValue>>(&change.entity)?;
        Ok(Change { entity_type: change.entity_type, event_type: change.event_type, entities })
    };
    wire.into_iter().map(read).collect()
}

fn one_or_many<T: for<'de> Deserialize<'de>>(raw: &RawValue) -> Result<Vec<T>, String> {
    let text = raw.get();
    let read = if text.trim_start().starts_with('[') {
        serde_json::from_str(text)
    } else {
        serde_json::from_str(text).map(|one| vec![one])
    };
    read.map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_has_four_lines_as_documented() {
        assert_eq!(request("authorize", 0, "", "token"), "authorize\n0\n\ntoken");
        assert_eq!(
            request("user/syncrequest", 1, "", r#"{"users":[12345]}"#),
            "user/syncrequest\n1\n\n{\"users\":[12345]}"
        );
        assert_eq!(request("contract/find", 7, "name=ESZ6", "").split('\n').count(), 4);
    }

    #[test]
    fn the_documented_frames_are_read() {
        assert!(matches!(read("o"), Ok(ServerFrame::Open)));
        assert!(matches!(read("h"), Ok(ServerFrame::Heartbeat)));
        assert!(matches!(read(r#"c[3000, "Go away!"]"#), Ok(ServerFrame::Closed(_))));
        let Ok(ServerFrame::Messages(messages)) = read(r#"a[{"s":200,"i":0}]"#) else { panic!() };
        assert!(matches!(messages[..], [Message::Answer { id: 0, status: 200, body: None }]));
        let denied = r#"a[{"i":0,"s":401,"d":"Invalid access token"}]"#;
        let Ok(ServerFrame::Messages(messages)) = read(denied) else { panic!() };
        assert!(matches!(messages[..], [Message::Answer { id: 0, status: 401, body: Some(_) }]));
    }

    #[test]
    fn changes_come_alone_or_together() {
        for (text, kinds, entities) in [
            (r#"a[{"e":"props","d":{"entityType":"order","eventType":"Created","entity":{"id":1}}}]"#, 1, 1),
            (
                r#"a[{"e":"props","d":[{"entityType":"fill","eventType":"Created","entity":[{"id":1},{"id":2}]},
                {"entityType":"order","eventType":"Updated","entity":{"id":3}}]}]"#,
                2,
                3,
            ),
        ] {
            let Ok(ServerFrame::Messages(messages)) = read(text) else { panic!("{text}") };
            let [Message::Props(changes)] = &messages[..] else { panic!("{messages:?}") };
            assert_eq!(changes.len(), kinds);
            assert_eq!(changes.iter().map(|change| change.entities.len()).sum::<usize>(), entities);
        }
    }

    #[test]
    fn a_shutdown_says_why_and_other_events_are_left_alone() {
        let text =
            r#"a[{"e":"shutdown","d":{"reasonCode":"Maintenance"}},{"e":"md","d":{}},{"e":"shutdown"}]"#;
        let Ok(ServerFrame::Messages(messages)) = read(text) else { panic!() };
        let [Message::Shutdown(why), Message::Other, Message::Shutdown(_)] = &messages[..] else { panic!() };
        assert_eq!(why, "Maintenance");
    }

    #[test]
    fn what_nobody_understands_is_an_error() {
        for text in ["", "x", "a", "a{", r#"a[{"e":"props"}]"#, r#"a[{"e":"props","d":{"entity":1}}]"#, "é"]
        {
            assert!(read(text).is_err(), "{text}");
        }
    }
}

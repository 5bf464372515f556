//! Bodies as the world sends them: good, sloppy and hostile.

#![allow(clippy::unwrap_used)]

use atomik_domain::alert::{Action, Alert, AlertError, ExitPercent, Intention, MAX_ID_BYTES};
use atomik_domain::money::parse_decimal;
use atomik_domain::{Code, Price, Qty};
use proptest::prelude::*;
use rstest::rstest;

fn parse(body: &str) -> Result<Alert, AlertError> {
    Alert::parse(body.as_bytes())
}

fn code_of(body: impl AsRef<[u8]>) -> Code {
    Alert::parse(body.as_ref()).unwrap_err().code()
}

fn with_comment(comment: &str) -> Result<Alert, AlertError> {
    parse(&serde_json::json!({ "action": "SELL", "comment": comment }).to_string())
}

fn exit(percent: &str) -> Intention {
    Intention::Exit(ExitPercent::new(parse_decimal(percent).unwrap()).unwrap())
}

// The guide's table "Webhook Payload Format".

#[rstest]
#[case("BUY", Action::Buy)]
#[case("buy", Action::Buy)]
#[case("Buy", Action::Buy)]
#[case(" buy\\n", Action::Buy)]
#[case("SELL", Action::Sell)]
#[case("sell", Action::Sell)]
#[case("sElL", Action::Sell)]
#[case("\\u0042UY", Action::Buy)]
fn guide_action_is_buy_or_sell_in_any_case(#[case] word: &str, #[case] action: Action) {
    let alert = parse(&format!("{{\"action\": \"{word}\"}}")).unwrap();
    assert_eq!(alert.action, action);
    assert_eq!(alert.intention, Intention::Bare);
    assert!(alert.notes.is_empty());
}

#[rstest]
#[case(r"{}")]
#[case(r#"{"comment": "EXIT_50"}"#)]
#[case(r#"{"action": null}"#)]
#[case(r#"{"action": ""}"#)]
#[case(r#"{"action": "HOLD"}"#)]
#[case(r#"{"action": "BUYS"}"#)]
#[case(r#"{"action": "BU"}"#)]
#[case(r#"{"action": "B UY"}"#)]
#[case(r#"{"action": "long"}"#)]
#[case(r#"{"action": "ＢＵＹ"}"#)]
#[case(r#"{"action": 1}"#)]
#[case(r#"{"action": true}"#)]
#[case(r#"{"action": ["BUY"]}"#)]
#[case(r#"{"action": {"side": "BUY"}}"#)]
#[case(r#"{"action": "{{strategy.order.action}}"}"#)]
#[case(r#"{"ACTION": "BUY"}"#)]
fn guide_action_is_required_and_nothing_else_is_one(#[case] body: &str) {
    let error = parse(body).unwrap_err();
    assert_eq!(error.code(), Code::InvalidAction);
    assert!(error.to_string().contains("Expected \"BUY\" or \"SELL\""), "{error}");
}

#[rstest]
#[case(r#"{"action": "SELL"}"#)]
#[case(r#"{"action": "SELL", "comment": null}"#)]
#[case(r#"{"action": "SELL", "comment": ""}"#)]
#[case(r#"{"action": "SELL", "comment": "  \t "}"#)]
fn guide_comment_is_optional(#[case] body: &str) {
    let alert = parse(body).unwrap();
    assert_eq!((alert.comment, alert.intention), (None, Intention::Bare));
    assert!(alert.notes.is_empty());
}

// The guide's table "Exit Comment Types".

#[rstest]
#[case("EXIT_50", "50")]
#[case("EXIT_HALF", "50")]
#[case("EXIT_25", "25")]
#[case("EXIT_75", "75")]
#[case("EXIT_FINAL", "100")]
#[case("EXIT_ALL", "100")]
#[case("EXIT_100", "100")]
#[case("EXIT_33", "33")]
#[case("EXIT_33.3", "33.3")]
#[case("EXIT_50.5", "50.5")]
#[case("EXIT_0.01", "0.01")]
#[case("EXIT_50.0", "50")]
#[case("EXIT_100.00", "100")]
#[case("exit_half", "50")]
#[case("Exit_Final", "100")]
#[case(" EXIT_50 ", "50")]
#[case("\tEXIT_25\n", "25")]
fn guide_exit_words_and_numbers_are_read(#[case] comment: &str, #[case] percent: &str) {
    let alert = with_comment(comment).unwrap();
    assert_eq!(alert.intention, exit(percent));
    assert_eq!(alert.comment.as_deref(), Some(comment.trim()));
    assert!(alert.notes.is_empty());
}

#[rstest]
#[case("EXIT_0")]
#[case("EXIT_0.0")]
#[case("EXIT_101")]
#[case("EXIT_100.01")]
#[case("EXIT_-5")]
#[case("EXIT_+5")]
#[case("EXIT_500")]
#[case("EXIT_abc")]
#[case("EXIT_1e2")]
#[case("EXIT_1E1")]
#[case("EXIT_0x32")]
#[case("EXIT_٥٠")]
#[case("EXIT_５０")]
#[case("EXIT_")]
#[case("EXIT_ 50")]
#[case("EXIT_50%")]
#[case("EXIT_50,5")]
#[case("EXIT_50.")]
#[case("EXIT_.5")]
#[case("EXIT_5_0")]
#[case("EXIT_1.2.3")]
#[case("EXIT_NaN")]
#[case("EXIT_inf")]
#[case("EXIT_HALF ENTRY")]
#[case("EXIT_FINAL!")]
#[case("EXIT_99999999999999999999999999999999999999")]
#[case("exit_half_of_it")]
fn an_exit_that_names_no_part_is_refused_with_what_is_expected(#[case] comment: &str) {
    let error = with_comment(comment).unwrap_err();
    assert_eq!(error.code(), Code::InvalidExit);
    let sentence = error.to_string();
    assert!(sentence.contains(&comment.chars().take(10).collect::<String>()), "{sentence}");
    assert!(sentence.contains("0 < n <= 100"), "{sentence}");
}

/// What a cut comment says is not what the sender said: the word is read before the comment is cut.
#[rstest]
#[case(format!("EXIT_1{}00", " ".repeat(200)), Err(Code::InvalidExit))]
#[case(format!("EXIT_50{}x", "\t".repeat(200)), Err(Code::InvalidExit))]
#[case(format!("ENTRY{}long", " ".repeat(200)), Ok(Intention::Bare))]
fn a_long_comment_is_not_read_by_its_beginning(
    #[case] comment: String,
    #[case] expected: Result<Intention, Code>,
) {
    let read = with_comment(&comment).map(|alert| alert.intention).map_err(|error| error.code());
    assert_eq!(read, expected);
}

#[rstest]
#[case("ENTRY")]
#[case("entry")]
#[case(" Entry ")]
fn guide_entry_is_read(#[case] comment: &str) {
    assert_eq!(with_comment(comment).unwrap().intention, Intention::Entry);
}

#[rstest]
#[case("Long")]
#[case("Close entry(s) order Long")]
#[case("EXIT")]
#[case("EXIT50")]
#[case("EXIT-50")]
#[case("ENTRY_1")]
#[case("TP1_EXIT_50")]
#[case("{{strategy.order.comment}}")]
fn an_unknown_comment_is_treated_as_none_and_noted(#[case] comment: &str) {
    let alert = with_comment(comment).unwrap();
    assert_eq!(alert.intention, Intention::Bare);
    assert_eq!(alert.comment.as_deref(), Some(comment));
    assert!(alert.notes.iter().any(|note| note.contains(comment)), "{:?}", alert.notes);
}

#[test]
fn a_long_comment_is_cut_on_a_character_and_not_inside_one() {
    let alert = with_comment(&"é".repeat(20_000)).unwrap();
    assert_eq!(alert.comment, Some("é".repeat(128)));
    assert_eq!(alert.intention, Intention::Bare);
    assert!(alert.notes.iter().all(|note| note.chars().count() < 300));
}

#[test]
fn a_comment_may_be_a_number() {
    let alert = parse(r#"{"action": "SELL", "comment": 50}"#).unwrap();
    assert_eq!((alert.comment.as_deref(), alert.intention), (Some("50"), Intention::Bare));
}

// Fields beside the two.

#[rstest]
#[case(r#"{"action": "BUY", "price": 5000.25, "quantity": 2}"#)]
#[case(r#"{"action": "BUY", "price": "5000.25", "quantity": "2"}"#)]
#[case(r#"{"action": "BUY", "price": " 5000.250 ", "quantity": "2.0"}"#)]
fn numbers_are_accepted_as_numbers_and_as_strings(#[case] body: &str) {
    let alert = parse(body).unwrap();
    assert_eq!(alert.price, Some(Price(parse_decimal("5000.25").unwrap())));
    assert_eq!(alert.quantity, Some(Qty(parse_decimal("2").unwrap())));
    assert!(alert.notes.is_empty());
}

#[test]
fn a_price_keeps_digits_that_a_float_would_lose() {
    let alert = parse(r#"{"action": "BUY", "price": 0.1234567890123456789}"#).unwrap();
    assert_eq!(alert.price.unwrap().to_string(), "0.1234567890123456789");
}

#[rstest]
#[case(r#""{{close}}""#)]
#[case(r#""5,000.25""#)]
#[case(r#""NaN""#)]
#[case("1e400")]
#[case("5e3")]
#[case(r#""""#)]
#[case("99999999999999999999999999999999999")]
fn an_unreadable_price_is_noted_and_does_not_lose_the_exit(#[case] price: &str) {
    let body = format!("{{\"action\": \"SELL\", \"comment\": \"EXIT_FINAL\", \"price\": {price}}}");
    let alert = parse(&body).unwrap();
    assert_eq!((alert.price, alert.intention), (None, exit("100")));
    assert!(alert.notes.iter().any(|note| note.starts_with("price ")), "{:?}", alert.notes);
}

#[rstest]
#[case(r#"{"action": "BUY", "id": 42}"#, Some("42"))]
#[case(r#"{"action": "BUY", "id": "42"}"#, Some("42"))]
#[case(r#"{"action": "BUY", "id": " bar-7 "}"#, Some("bar-7"))]
#[case(r#"{"action": "BUY", "id": ""}"#, None)]
#[case(r#"{"action": "BUY", "id": null}"#, None)]
fn an_id_is_a_string_or_a_number(#[case] body: &str, #[case] id: Option<&str>) {
    assert_eq!(parse(body).unwrap().id.as_deref(), id);
}

#[test]
fn an_id_has_a_longest_length() {
    let body = |length: usize| format!("{{\"action\": \"BUY\", \"id\": \"{}\"}}", "i".repeat(length));
    assert!(parse(&body(MAX_ID_BYTES)).is_ok());
    let error = parse(&body(MAX_ID_BYTES + 1)).unwrap_err();
    assert_eq!(error.code(), Code::InvalidField);
    assert!(error.to_string().contains("\"id\""), "{error}");
}

#[rstest]
#[case("comment", "true")]
#[case("comment", "[\"EXIT_50\"]")]
#[case("price", "{}")]
#[case("quantity", "[1]")]
#[case("symbol", "false")]
#[case("id", "{\"a\": 1}")]
#[case("secret", "[]")]
fn a_known_field_of_another_type_is_refused_by_name(#[case] field: &str, #[case] value: &str) {
    let error = parse(&format!("{{\"action\": \"BUY\", \"{field}\": {value}}}")).unwrap_err();
    assert_eq!(error.code(), Code::InvalidField);
    assert!(error.to_string().contains(field), "{error}");
}

#[test]
fn unknown_fields_are_ignored_whatever_they_hold() {
    let body =
        r#"{"ticker": "ES1!", "n": [1, -2.5e9, null, {"a": {"b": [true, "x"]}}], "action": "BUY", "é": 1}"#;
    let alert = parse(body).unwrap();
    assert_eq!(alert.action, Action::Buy);
    assert!(alert.notes.is_empty());
}

#[test]
fn a_symbol_is_kept_and_a_secret_is_found_even_in_a_refused_body() {
    let body = r#"{"action": "HOLD", "symbol": " ES ", "secret": "s3cr3t"}"#;
    assert_eq!(Alert::secret_in(body.as_bytes()).as_deref(), Some("s3cr3t"));
    let body = body.replace("HOLD", "BUY");
    let alert = parse(&body).unwrap();
    assert_eq!((alert.symbol.as_deref(), alert.secret.as_deref()), (Some("ES"), Some("s3cr3t")));
    assert_eq!(Alert::secret_in(b"{\"secret\": "), None);
}

// Bodies that are not one JSON object.

#[rstest]
#[case::empty("")]
#[case::blank(" \r\n\t")]
#[case::text("BUY")]
#[case::quoted(r#""BUY""#)]
#[case::number("1")]
#[case::null("null")]
#[case::array(r#"[{"action": "BUY"}]"#)]
#[case::cut_short(r#"{"action": "BU"#)]
#[case::no_quotes("{action: BUY}")]
#[case::single_quotes("{'action': 'BUY'}")]
#[case::trailing_comma(r#"{"action": "BUY",}"#)]
#[case::comment(r#"{"action": "BUY"} // now"#)]
#[case::trailing_garbage(r#"{"action": "BUY"}x"#)]
#[case::trailing_object(r#"{"action": "BUY"}{"action": "SELL"}"#)]
#[case::two_lines("{\"action\": \"BUY\"}\n{\"action\": \"BUY\"}")]
#[case::raw_control_character("{\"action\": \"BUY\u{1}\"}")]
#[case::raw_nul("{\"action\": \"BUY\0\"}")]
#[case::nul_after("{\"action\": \"BUY\"}\0")]
#[case::lone_surrogate(r#"{"action": "BUY", "comment": "\ud800"}"#)]
#[case::bad_escape(r#"{"action": "\x42UY"}"#)]
#[case::not_a_number(r#"{"action": "BUY", "price": NaN}"#)]
#[case::leading_zero(r#"{"action": "BUY", "price": 007}"#)]
#[case::form("action=BUY&comment=EXIT_50")]
#[case::xml("<action>BUY</action>")]
fn anything_but_one_json_object_is_malformed(#[case] body: &str) {
    let error = parse(body).unwrap_err();
    assert_eq!(error.code(), Code::MalformedJson);
    assert!(error.to_string().contains("{\"action\": \"BUY\"}"), "{error}");
}

#[rstest]
#[case::latin_1(b"{\"action\": \"BUY\", \"comment\": \"caf\xE9\"}")]
#[case::utf_16(b"\xFF\xFE{\0\"\0")]
#[case::overlong(b"{\"action\": \"BUY\", \"comment\": \"\xC0\x80\"}")]
#[case::cut_character(b"{\"action\": \"BUY\"}\xE2\x82")]
fn what_is_not_utf_8_is_malformed(#[case] body: &[u8]) {
    assert_eq!(code_of(body), Code::MalformedJson);
}

#[test]
fn one_byte_order_mark_is_taken_off_and_no_more() {
    assert_eq!(parse("\u{FEFF}{\"action\": \"BUY\"}").unwrap().action, Action::Buy);
    assert_eq!(code_of("\u{FEFF}\u{FEFF}{\"action\": \"BUY\"}"), Code::MalformedJson);
    assert_eq!(code_of("\u{FEFF}"), Code::MalformedJson);
}

#[test]
fn an_escaped_nul_is_a_character_like_any_other() {
    assert_eq!(code_of(r#"{"action": "BUY\u0000"}"#), Code::InvalidAction);
    let error = parse(r#"{"action": "B\u0000UY"}"#).unwrap_err().to_string();
    assert!(!error.contains('\0'), "control characters do not reach logs: {error:?}");
}

#[rstest]
#[case::the_same(r#"{"action": "BUY", "action": "SELL"}"#)]
#[case::the_same_value(r#"{"action": "BUY", "action": "BUY"}"#)]
#[case::escaped(r#"{"action": "BUY", "\u0061ction": "SELL"}"#)]
#[case::escaped_first(r#"{"\u0061ction": "BUY", "action": "SELL"}"#)]
#[case::escaped_twice(r#"{"\u0061ction": "BUY", "a\u0063tion": "SELL"}"#)]
#[case::with_null(r#"{"action": "BUY", "action": null}"#)]
#[case::comment(r#"{"action": "SELL", "comment": "EXIT_50", "comment": "EXIT_FINAL"}"#)]
#[case::secret(r#"{"action": "SELL", "secret": "a", "secret": "b"}"#)]
#[case::unknown(r#"{"action": "SELL", "x": 1, "x": 1}"#)]
#[case::inside(r#"{"action": "SELL", "x": {"y": 1, "y": 2}}"#)]
#[case::inside_escaped(r#"{"action": "SELL", "x": [{"y": 1, "\u0079": 2}]}"#)]
fn a_key_that_appears_twice_is_malformed(#[case] body: &str) {
    let error = parse(body).unwrap_err();
    assert_eq!(error.code(), Code::MalformedJson);
    assert!(error.to_string().contains("appears twice"), "{error}");
    assert_eq!(Alert::secret_in(body.as_bytes()), None);
}

/// Depth 10,000 and every opening, in an unknown field, in a known one, and as the body itself.
#[rstest]
#[case::arrays("[", "]")]
#[case::objects("{\"a\":", "}")]
#[case::mixed("[{\"a\":", "}]")]
fn nesting_bombs_are_refused_without_harm(#[case] open: &str, #[case] close: &str) {
    let depth = 10_000;
    let closed = format!("{}1{}", open.repeat(depth), close.repeat(depth));
    let left_open = open.repeat(depth);
    for bomb in [closed, left_open] {
        assert_eq!(code_of(format!("{{\"action\": \"BUY\", \"x\": {bomb}}}")), Code::MalformedJson);
        assert_eq!(code_of(&bomb), Code::MalformedJson);
        for field in ["action", "comment", "price"] {
            let body = format!("{{\"{field}\": {bomb}}}");
            let code = code_of(body);
            assert!(matches!(code, Code::MalformedJson | Code::InvalidAction | Code::InvalidField), "{code}");
        }
    }
}

#[rstest]
#[case(15, true)]
#[case(16, false)]
#[case(100, false)]
fn nesting_has_a_deepest_level(#[case] depth: usize, #[case] accepted: bool) {
    let nested = format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(parse(&format!("{{\"action\": \"BUY\", \"x\": {nested}}}")).is_ok(), accepted);
}

#[test]
fn huge_bodies_are_read_or_refused_and_errors_stay_short() {
    let many_keys: Vec<String> = (0..20_000).map(|key| format!("\"k{key}\": 1")).collect();
    assert!(parse(&format!("{{\"action\": \"BUY\", {}}}", many_keys.join(", "))).is_ok());

    let long = "A".repeat(1_000_000);
    let refused = [
        format!("{{\"action\": \"{long}\"}}"),
        format!("{{\"action\": \"BUY\", \"comment\": \"EXIT_{long}\"}}"),
        format!("{{\"action\": \"BUY\", \"{long}\": 1, \"{long}\": 2}}"),
        format!("{{\"action\": 1{}}}", "0".repeat(1_000_000)),
        long,
    ];
    for body in refused {
        let sentence = parse(&body).unwrap_err().to_string();
        assert!(sentence.len() < 400, "{} bytes", sentence.len());
    }
}

/// Bytes that come near to an alert, so that the parser is entered at all.
fn nearly_an_alert() -> impl Strategy<Value = Vec<u8>> {
    let pieces = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\"action\"",
        "\"\\u0061ction\"",
        "\"BUY\"",
        "\"comment\"",
        "\"EXIT_",
        "50",
        "\"",
        "\\",
        "\\ud800",
        "null",
        "true",
        "-",
        "1e",
        "0",
        ".",
        " ",
        "\u{FEFF}",
        "é",
        "\0",
        "\"price\"",
        "\"id\"",
    ]);
    let bytes = prop::collection::vec(any::<u8>(), 0..3);
    let piece = prop_oneof![9 => pieces.prop_map(|piece| piece.as_bytes().to_vec()), 1 => bytes];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn no_bytes_make_the_parser_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Alert::parse(&body);
        let _ = Alert::secret_in(&body);
    }

    #[test]
    fn nothing_near_an_alert_makes_the_parser_panic(body in nearly_an_alert()) {
        let _ = Alert::secret_in(&body);
        if let Ok(alert) = Alert::parse(&body) {
            // What is accepted here is accepted by every other reader of JSON, and says the same there.
            let text = std::str::from_utf8(&body).expect("accepted").trim_start_matches('\u{FEFF}');
            let value: serde_json::Value = serde_json::from_str(text).expect("accepted");
            let action = value["action"].as_str().expect("accepted").trim().to_lowercase();
            prop_assert_eq!(action, alert.action.as_str());
        }
    }

    #[test]
    fn any_comment_is_read_or_refused(comment in any::<String>()) {
        match with_comment(&comment) {
            Ok(alert) => prop_assert!(alert.comment.is_none_or(|kept| kept.chars().count() <= 128)),
            Err(error) => {
                prop_assert_eq!(error.code(), Code::InvalidExit);
                prop_assert!(comment.trim().to_uppercase().starts_with("EXIT_"));
            }
        }
    }

    #[test]
    fn every_part_in_hundredths_is_read_exactly(hundredths in 1_u32..=10_000) {
        let text = format!("EXIT_{}.{:02}", hundredths / 100, hundredths % 100);
        let expected = rust_decimal::Decimal::new(i64::from(hundredths), 2);
        let intention = with_comment(&text).unwrap().intention;
        prop_assert_eq!(intention, Intention::Exit(ExitPercent::new(expected).unwrap()));
    }
}

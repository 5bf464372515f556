//! `atomik send`: an alert without curl.

use std::io::Read;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};

use crate::cli::SendArgs;
use crate::output;

/// How long to wait for the answer. The server answers within two seconds.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The most that is read of a payload; a little more than the server takes, so that it can be asked.
const MAX_PAYLOAD_BYTES: u64 = 1024 * 1024;

/// Sends, and shows the answer. The URL holds a secret, so it is shown nowhere.
///
/// # Errors
/// Where there is no answer.
pub async fn send(args: &SendArgs) -> anyhow::Result<ExitCode> {
    let url = parse_url(&args.url)?;
    let payload = read_payload(&args.payload)?;
    let client = reqwest::Client::builder()
        .timeout(TIMEOUT)
        // A redirect would turn the POST into something else, or show the secret to somebody else.
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(reqwest::Error::without_url)?;
    let mut request = client.post(url).header("content-type", "application/json").body(payload);
    if let Some(key) = &args.idempotency_key {
        request = request.header("idempotency-key", key);
    }
    let response = request.send().await.map_err(|error| {
        let known = if error.is_connect() {
            "nothing was sent: the server cannot be reached"
        } else {
            "the alert may or may not have arrived; look at the webhook's logs before sending it again"
        };
        anyhow::Error::new(error.without_url()).context(known)
    })?;
    let status = response.status();
    let replayed = response.headers().contains_key("idempotent-replayed");
    let body = response.text().await.map_err(reqwest::Error::without_url)?;
    output::line(status)?;
    output::line(body)?;
    if replayed {
        output::line("This repeats an alert that was accepted before; it trades nothing.")?;
    }
    Ok(if status.is_success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn parse_url(text: &str) -> anyhow::Result<reqwest::Url> {
    let Ok(url) = reqwest::Url::parse(text) else {
        bail!(
            "the first argument is no URL; expected one such as http://127.0.0.1:8080/api/v1/webhooks/...?secret=..."
        );
    };
    if !matches!(url.scheme(), "http" | "https") {
        bail!("the URL starts with neither http:// nor https://");
    }
    Ok(url)
}

/// A payload as it is, from a file (`@FILE`), or from the standard input (`-`).
///
/// # Errors
/// Where there is nothing to read, or too much.
pub fn read_payload(argument: &str) -> anyhow::Result<Vec<u8>> {
    let mut payload = Vec::new();
    let source: Box<dyn Read> = match argument.strip_prefix('@') {
        Some(file) => Box::new(std::fs::File::open(file).with_context(|| format!("{file} cannot be read"))?),
        None if argument == "-" => Box::new(std::io::stdin().lock()),
        None => return Ok(argument.as_bytes().to_vec()),
    };
    source.take(MAX_PAYLOAD_BYTES + 1).read_to_end(&mut payload).context("the payload cannot be read")?;
    if payload.len() as u64 > MAX_PAYLOAD_BYTES {
        bail!("the payload is larger than 1 MiB; the server takes 64 KiB");
    }
    Ok(payload)
}

//! Whether the time of a refusal tells how much of a secret was right, or whether a token exists: two kinds of wrong requests in
//! random turns over one connection, and Welch's t of the times.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use crate::load;
use crate::report::Line;
use crate::server::{Server, fresh_dir};
use crate::store::Setup;

/// How many times each question is asked, both kinds together.
const SAMPLES: usize = 100_000;
/// Not counted: everything is warm afterwards.
const WARM_UP: usize = 2_000;
/// Above this the two kinds are told apart (as dudect has it).
const TELLING: f64 = 4.5;
/// The slowest of both kinds are left out: they are the scheduler's.
const COUNTED: f64 = 0.99;

/// What comes of a question.
#[derive(Debug)]
struct Compared {
    what: &'static str,
    /// Medians, in microseconds.
    medians_us: [f64; 2],
    t: f64,
}

impl Compared {
    fn line(&self) -> Line {
        let [one, other] = self.medians_us;
        // Without bars around it: they would end the table's cell.
        let figure = format!("t = {:.2}, medians {one:.1} and {other:.1} µs", self.t.abs());
        Line::against(self.what, figure, "t < 4.5", self.t.abs() < TELLING)
    }
}

pub async fn measure() -> Result<Vec<Line>> {
    let mut lines = Vec::new();
    let dir = fresh_dir()?;
    let setup = Setup::open(dir.path()).await?;
    let made = setup.create_webhooks(1).await?.into_iter().next().context("no webhook")?.1;
    setup.close().await;
    let atomik = Server::start_atomik(dir.path()).await?;
    let port = atomik.port;
    let alert = r#"{"action":"BUY"}"#;
    // The same digits but one, and others in every place.
    let change = |digit: char| if digit == '0' { '1' } else { '0' };
    let near: String = made.secret[..63].chars().chain(made.secret[63..].chars().map(change)).collect();
    let far: String = made.secret.chars().map(change).collect();
    let unknown: String = made.token.chars().map(change).collect();
    let request = |token: &str, secret: &str| load::request(token, secret, alert);
    let questions = [
        (
            "Wrong secrets, 63 of 64 digits right beside none: Welch's t of 100,000 refusals",
            [request(&made.token, &near), request(&made.token, &far)],
        ),
        (
            "A wrong secret beside an unknown token: Welch's t of 100,000 refusals",
            [request(&made.token, &far), request(&unknown, &far)],
        ),
    ];
    for (what, kinds) in questions {
        println!("{what} ...");
        let compared = tokio::task::spawn_blocking(move || compare(what, port, &kinds)).await??;
        println!("  {compared:?}");
        lines.push(compared.line());
    }
    atomik.stop().await?;
    Ok(lines)
}

fn compare(what: &'static str, port: u16, kinds: &[Vec<u8>; 2]) -> Result<Compared> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_nodelay(true)?;
    let mut times = [Vec::with_capacity(SAMPLES), Vec::with_capacity(SAMPLES)];
    let mut turn = 0x2545_f491_4f6c_dd1d_u64;
    for sample in 0..WARM_UP + SAMPLES {
        turn ^= turn << 13;
        turn ^= turn >> 7;
        turn ^= turn << 17;
        let kind = usize::from(turn & 1 == 1);
        let began = Instant::now();
        ask(&mut stream, &kinds[kind])?;
        let took = began.elapsed();
        if sample >= WARM_UP {
            times[kind].push(took.as_secs_f64() * 1e6);
        }
    }
    let mut all: Vec<_> = times.iter().flatten().copied().collect();
    all.sort_by(f64::total_cmp);
    let slowest = quantile(&all, COUNTED);
    for kind in &mut times {
        kind.retain(|time| *time <= slowest);
        kind.sort_by(f64::total_cmp);
    }
    let [one, other] = &times;
    Ok(Compared { what, medians_us: [quantile(one, 0.5), quantile(other, 0.5)], t: welch(one, other) })
}

/// One request and its whole answer, which is a refusal and ends with its envelope.
fn ask(stream: &mut TcpStream, request: &[u8]) -> Result<()> {
    stream.write_all(request)?;
    let (mut answer, mut length) = ([0; 4_096], 0);
    while !answer[..length].ends_with(b"}") {
        let more = stream.read(&mut answer[length..])?;
        ensure!(more > 0, "the server closed the connection");
        length += more;
    }
    let refused = [&b"HTTP/1.1 401"[..], b"HTTP/1.1 404"];
    ensure!(refused.iter().any(|status| answer.starts_with(status)), "not refused");
    Ok(())
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a place in a list
fn quantile(sorted: &[f64], at: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    sorted.get((last as f64 * at) as usize).copied().unwrap_or_default()
}

/// Welch's t: how far apart two means are, in units of what chance makes of them.
fn welch(one: &[f64], other: &[f64]) -> f64 {
    let of = |times: &[f64]| {
        let count = times.len() as f64;
        let mean = times.iter().sum::<f64>() / count;
        let variance = times.iter().map(|time| (time - mean).powi(2)).sum::<f64>() / (count - 1.0);
        (mean, variance / count)
    };
    let ((one, noise), (other, more)) = (of(one), of(other));
    (one - other) / (noise + more).sqrt()
}

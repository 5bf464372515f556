//! The rate of a webhook over all nodes, and the first look at repeats, in one script, on Redis' own clock. Whatever is asked
//! while one question is under way goes with the next: most of what a question costs, on both sides, it costs once.

use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use atomik_domain::WebhookId;
use atomik_ports::rate::{Known, LimiterAway, Look, Rate, RateLimiter, Token};
use redis::Script;
use redis::aio::MultiplexedConnection;
use tokio::sync::{mpsc, oneshot};

use super::link::{Answer, Link, MAX_QUESTIONS, Probe};
use super::{Redis, repeats};

static SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("rate.lua")));

/// What a probe takes: there is always one more.
const PROBE_RATE: Rate = Rate { interval_us: 1, burst: 1_000_000 };
/// The most tokens in one question: Redis does nothing else meanwhile.
const MAX_TOKENS: usize = 256;

/// A bucket, and what is looked under beside it: nothing where that is empty.
struct Bucket {
    key: String,
    look_under: String,
}

/// What the script answers for a bucket.
struct Taken {
    /// How long there is no token, in microseconds.
    wait: i64,
    /// By Redis' clock.
    at: i64,
    /// What is under the second key.
    found: Option<Vec<u8>>,
}

/// A token that somebody waits for.
struct Wanted {
    bucket: Bucket,
    rate: Rate,
    answer: oneshot::Sender<Result<Taken, LimiterAway>>,
}

/// Where tokens are asked for.
pub struct Taker(mpsc::Sender<Wanted>);

impl Taker {
    /// Begins to ask over a link; ends once this is gone.
    pub fn over(link: Arc<Link>) -> Self {
        let (wanted, taken) = mpsc::channel(MAX_QUESTIONS);
        tokio::spawn(ask(link, taken));
        Self(wanted)
    }

    async fn take(&self, bucket: Bucket, rate: Rate) -> Result<Taken, LimiterAway> {
        let (answer, answered) = oneshot::channel();
        if self.0.try_send(Wanted { bucket, rate, answer }).is_err() {
            return Err(LimiterAway(format!("more than {MAX_QUESTIONS} tokens of Redis are waited for")));
        }
        answered.await.unwrap_or_else(|_| Err(LimiterAway("Redis answered for fewer buckets".to_owned())))
    }
}

/// Asks for all that is waited for, again and again. One question is of one rate: webhooks all have the same.
async fn ask(link: Arc<Link>, mut waiting: mpsc::Receiver<Wanted>) {
    let mut next = None;
    while let Some(first) = wanted(&mut next, &mut waiting).await {
        let rate = first.rate;
        let (mut buckets, mut answers) = (vec![first.bucket], vec![first.answer]);
        // Requests that are about to ask do so first.
        tokio::task::yield_now().await;
        while buckets.len() < MAX_TOKENS
            && let Ok(wanted) = waiting.try_recv()
        {
            if wanted.rate != rate {
                next = Some(wanted);
                break;
            }
            buckets.push(wanted.bucket);
            answers.push(wanted.answer);
        }
        match link.ask(|connection| take(connection, buckets, rate)).await {
            // Nobody waits any more where the request was given up. Whoever is not answered is told by the end of the channel.
            Ok(taken) => answers.into_iter().zip(taken).for_each(|(answer, taken)| {
                let _ = answer.send(Ok(taken));
            }),
            Err(why) => answers.into_iter().for_each(|answer| {
                let _ = answer.send(Err(LimiterAway(why.clone())));
            }),
        }
    }
}

async fn wanted(next: &mut Option<Wanted>, waiting: &mut mpsc::Receiver<Wanted>) -> Option<Wanted> {
    match next.take() {
        Some(wanted) => Some(wanted),
        None => waiting.recv().await,
    }
}

/// Takes a token of each of these buckets. Where Redis does not know the script, it is loaded and asked again.
fn take(mut connection: MultiplexedConnection, buckets: Vec<Bucket>, rate: Rate) -> Answer<Vec<Taken>> {
    Box::pin(async move {
        let mut invocation = SCRIPT.prepare_invoke();
        invocation.arg(rate.interval_us).arg(rate.burst);
        for Bucket { key, look_under } in buckets {
            invocation.key(key).key(look_under);
        }
        let answers: Vec<redis::Value> = invocation.invoke_async(&mut connection).await?;
        let mut answers = answers.into_iter();
        let Some(at) = answers.next() else { return Ok(Vec::new()) };
        let at = redis::from_redis_value(at)?;
        let mut taken = Vec::with_capacity(answers.len() / 2);
        while let (Some(wait), Some(found)) = (answers.next(), answers.next()) {
            let (wait, found) = (redis::from_redis_value(wait)?, redis::from_redis_value(found)?);
            taken.push(Taken { wait, at, found });
        }
        Ok(taken)
    })
}

/// Takes what is always there, which shows that the real ones can be taken.
pub fn probe(prefix: &str) -> Probe {
    let key = format!("{prefix}probe");
    Box::new(move |connection| {
        let bucket = Bucket { key: key.clone(), look_under: String::new() };
        let taken = take(connection, vec![bucket], PROBE_RATE);
        Box::pin(async move { taken.await.map(|_| ()) })
    })
}

#[async_trait]
impl RateLimiter for Redis {
    async fn take(
        &self,
        webhook_id: WebhookId,
        rate: Rate,
        look: Option<Look>,
    ) -> Result<Token, LimiterAway> {
        // What is known already is said at once.
        self.state()?;
        let key = format!("{}rate:{webhook_id}", self.prefix);
        let look_under = look.map(|look| repeats::key(&self.prefix, webhook_id, &look.fingerprint));
        let bucket = Bucket { key, look_under: look_under.unwrap_or_default() };
        match self.taker.take(bucket, rate).await? {
            Taken { wait: 0, at, found } => {
                let first =
                    look.zip(found).and_then(|(look, value)| repeats::read(&value, at, look.window_us));
                Ok(Token::Taken { at, first })
            }
            Taken { wait, .. } => Ok(Token::In(wait)),
        }
    }

    fn remember(&self, known: Known) {
        self.teller.tell(known);
    }

    fn state(&self) -> Result<(), LimiterAway> {
        self.link.away().map_or(Ok(()), |why| Err(LimiterAway(why)))
    }
}

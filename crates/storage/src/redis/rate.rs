//! The rate of a webhook over all nodes, in one script, on Redis' own clock. Whatever is asked while one question is under way
//! goes with the next: most of what a question costs, on both sides, it costs once.

use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use atomik_domain::WebhookId;
use atomik_ports::rate::{LimiterAway, Rate, RateLimiter, Token};
use redis::Script;
use redis::aio::MultiplexedConnection;
use tokio::sync::{mpsc, oneshot};

use super::Redis;
use super::link::{Answer, Link, MAX_QUESTIONS, Probe};

static SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("rate.lua")));

/// What a probe takes: there is always one more.
const PROBE_RATE: Rate = Rate { interval_us: 1, burst: 1_000_000 };
/// The most tokens in one question: Redis does nothing else meanwhile.
const MAX_TOKENS: usize = 256;

/// A token that somebody waits for.
struct Wanted {
    key: String,
    rate: Rate,
    answer: oneshot::Sender<Result<Token, LimiterAway>>,
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

    async fn take(&self, key: String, rate: Rate) -> Result<Token, LimiterAway> {
        let (answer, answered) = oneshot::channel();
        if self.0.try_send(Wanted { key, rate, answer }).is_err() {
            return Err(LimiterAway(format!("more than {MAX_QUESTIONS} tokens of Redis are waited for")));
        }
        answered.await.unwrap_or_else(|_| Err(LimiterAway("Redis answered for fewer buckets".to_owned())))
    }
}

/// Asks for all that is waited for, again and again.
async fn ask(link: Arc<Link>, mut waiting: mpsc::Receiver<Wanted>) {
    let mut wanted = Vec::with_capacity(MAX_TOKENS);
    while let Some(first) = waiting.recv().await {
        wanted.push(first);
        // Requests that are about to ask do so first.
        tokio::task::yield_now().await;
        while wanted.len() < MAX_TOKENS
            && let Ok(one) = waiting.try_recv()
        {
            wanted.push(one);
        }
        let buckets = wanted.iter_mut().map(|one| (std::mem::take(&mut one.key), one.rate)).collect();
        let answers = link.ask(|connection| take(connection, buckets)).await;
        let mut micros = answers.as_deref().unwrap_or_default().iter();
        for one in wanted.drain(..) {
            let token = match (&answers, micros.next()) {
                (Err(why), _) => Err(LimiterAway(why.clone())),
                (Ok(_), Some(0)) => Ok(Token::Taken),
                (Ok(_), Some(micros)) => Ok(Token::In(*micros)),
                // Whoever waits is told by the end of the channel.
                (Ok(_), None) => continue,
            };
            // Nobody waits any more where the request was given up.
            let _ = one.answer.send(token);
        }
    }
}

/// Takes a token of each of these buckets. Where Redis does not know the script, it is loaded and asked again.
fn take(mut connection: MultiplexedConnection, buckets: Vec<(String, Rate)>) -> Answer<Vec<i64>> {
    Box::pin(async move {
        let mut invocation = SCRIPT.prepare_invoke();
        for (key, rate) in buckets {
            invocation.key(key).arg(rate.interval_us).arg(rate.burst);
        }
        invocation.invoke_async(&mut connection).await
    })
}

/// Takes what is always there, which shows that the real ones can be taken.
pub fn probe(prefix: &str) -> Probe {
    let key = format!("{prefix}probe");
    Box::new(move |connection| {
        let taken = take(connection, vec![(key.clone(), PROBE_RATE)]);
        Box::pin(async move { taken.await.map(|_| ()) })
    })
}

#[async_trait]
impl RateLimiter for Redis {
    async fn take(&self, webhook_id: WebhookId, rate: Rate) -> Result<Token, LimiterAway> {
        // What is known already is said at once.
        self.state()?;
        self.taker.take(format!("{}rate:{webhook_id}", self.prefix), rate).await
    }

    fn state(&self) -> Result<(), LimiterAway> {
        self.link.away().map_or(Ok(()), |why| Err(LimiterAway(why)))
    }
}

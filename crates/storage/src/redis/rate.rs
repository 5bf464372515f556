//! The rate of a webhook over all nodes, and the first look at repeats, in one script: one round trip, on Redis' own clock.

use std::sync::LazyLock;

use async_trait::async_trait;
use atomik_domain::WebhookId;
use atomik_ports::rate::{Known, LimiterAway, Look, Rate, RateLimiter, Token};
use redis::Script;
use redis::aio::MultiplexedConnection;

use super::link::{Answer, Probe};
use super::{Redis, repeats};

static SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("rate.lua")));

/// What a probe takes: there is always one more.
const PROBE_RATE: Rate = Rate { interval_us: 1, burst: 1_000_000 };

/// What the script answers: how long there is no token, the time, and what is under the second key.
type Taken = (i64, i64, Option<Vec<u8>>);

/// Takes a token of the bucket under this key, and looks under the other. Where Redis does not know the script, it is loaded
/// and asked again.
fn take(
    mut connection: MultiplexedConnection,
    key: String,
    rate: Rate,
    look_under: Option<String>,
) -> Answer<Taken> {
    Box::pin(async move {
        let mut invocation = SCRIPT.key(key);
        if let Some(key) = look_under {
            invocation.key(key);
        }
        invocation.arg(rate.interval_us).arg(rate.burst);
        invocation.invoke_async(&mut connection).await
    })
}

/// Takes what is always there, which shows that the real ones can be taken.
pub fn probe(prefix: &str) -> Probe {
    let key = format!("{prefix}probe");
    Box::new(move |connection| {
        let taken = take(connection, key.clone(), PROBE_RATE, None);
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
        let key = format!("{}rate:{webhook_id}", self.prefix);
        let look_under = look.map(|look| repeats::key(&self.prefix, webhook_id, &look.fingerprint));
        match self.link.ask(|connection| take(connection, key, rate, look_under)).await {
            Ok((0, at, found)) => {
                let first =
                    look.zip(found).and_then(|(look, value)| repeats::read(&value, at, look.window_us));
                Ok(Token::Taken { at, first })
            }
            Ok((micros, ..)) => Ok(Token::In(micros)),
            Err(why) => Err(LimiterAway(why)),
        }
    }

    fn remember(&self, known: Known) {
        self.teller.tell(known);
    }

    fn state(&self) -> Result<(), LimiterAway> {
        self.link.away().map_or(Ok(()), |why| Err(LimiterAway(why)))
    }
}

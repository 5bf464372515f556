//! The rate of a webhook over all nodes, in one script: one round trip, on Redis' own clock.

use std::sync::LazyLock;

use async_trait::async_trait;
use atomik_domain::WebhookId;
use atomik_ports::rate::{LimiterAway, Rate, RateLimiter, Token};
use redis::Script;
use redis::aio::MultiplexedConnection;

use super::Redis;
use super::link::{Answer, Probe};

static SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("rate.lua")));

/// What a probe takes: there is always one more.
const PROBE_RATE: Rate = Rate { interval_us: 1, burst: 1_000_000 };

/// Takes a token of the bucket under this key. Where Redis does not know the script, it is loaded and asked again.
fn take(mut connection: MultiplexedConnection, key: String, rate: Rate) -> Answer<i64> {
    Box::pin(async move {
        let mut invocation = SCRIPT.key(key);
        invocation.arg(rate.interval_us).arg(rate.burst);
        invocation.invoke_async(&mut connection).await
    })
}

/// Takes what is always there, which shows that the real ones can be taken.
pub fn probe(prefix: &str) -> Probe {
    let key = format!("{prefix}probe");
    Box::new(move |connection| {
        let taken = take(connection, key.clone(), PROBE_RATE);
        Box::pin(async move { taken.await.map(|_| ()) })
    })
}

#[async_trait]
impl RateLimiter for Redis {
    async fn take(&self, webhook_id: WebhookId, rate: Rate) -> Result<Token, LimiterAway> {
        let key = format!("{}rate:{webhook_id}", self.prefix);
        match self.link.ask(|connection| take(connection, key, rate)).await {
            Ok(0) => Ok(Token::Taken),
            Ok(micros) => Ok(Token::In(micros)),
            Err(why) => Err(LimiterAway(why)),
        }
    }

    fn state(&self) -> Result<(), LimiterAway> {
        self.link.away().map_or(Ok(()), |why| Err(LimiterAway(why)))
    }
}

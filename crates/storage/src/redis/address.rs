//! Where Redis is, and how its errors are put.

use std::time::Duration;

use redis::aio::{MultiplexedConnection, PubSub};
use redis::{AsyncConnectionConfig, Client, ErrorKind, RedisError, RedisResult};
use secrecy::{ExposeSecret, SecretString};

/// How long connecting may take, with everything that is said first.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// A server's address, with what opens it.
pub struct Address {
    client: Client,
    place: String,
}

/// Where the Redis of a URL is, without user and password.
///
/// # Errors
/// A sentence without secrets, where the URL is not one of Redis.
pub fn place_of(url: &SecretString) -> Result<String, String> {
    Address::parse(url).map(|address| address.place)
}

impl Address {
    /// Reads `redis://[[user]:password@]host[:port][/number]`, or `rediss://` for a connection that is encrypted.
    pub fn parse(url: &SecretString) -> Result<Self, String> {
        let parsed = redis::parse_redis_url(url.expose_secret()).ok_or("not a URL of Redis")?;
        if !matches!(parsed.scheme(), "redis" | "rediss") {
            return Err("neither redis:// nor rediss://".to_owned());
        }
        // Both could ask for a connection that is not checked; a password with these in it is written with %3F and %23.
        if parsed.query().is_some() || parsed.fragment().is_some() {
            return Err("a URL with more than user, password, host, port and number".to_owned());
        }
        let host = parsed.host_str().filter(|host| !host.is_empty()).ok_or("a URL without a host")?;
        let mut place = format!("{host}:{}", parsed.port().unwrap_or(6379));
        match parsed.path().trim_start_matches('/') {
            "" => {}
            number if number.parse::<u16>().is_ok() => place.extend(["/", number]),
            _ => return Err("a URL whose database is not a number".to_owned()),
        }
        let client = Client::open(parsed).map_err(|error| error.category().to_owned())?;
        Ok(Self { client, place })
    }

    /// A new connection, which takes at most `pipelined` requests at once. Requests on it take as long as they take.
    pub async fn connect(&self, pipelined: usize) -> Result<MultiplexedConnection, String> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None)
            .set_pipeline_buffer_size(pipelined);
        self.in_time(self.client.get_multiplexed_async_connection_with_config(&config)).await
    }

    /// A new connection on which what is published under this name is heard.
    pub async fn subscribe(&self, channel: &str) -> Result<PubSub, String> {
        let subscribing = async {
            let mut connection = self.client.get_async_pubsub().await?;
            connection.subscribe(channel).await?;
            Ok(connection)
        };
        self.in_time(subscribing).await
    }

    async fn in_time<T>(&self, connecting: impl Future<Output = RedisResult<T>>) -> Result<T, String> {
        match tokio::time::timeout(CONNECT_TIMEOUT, connecting).await {
            Ok(connected) => connected.map_err(|error| self.sentence(&error)),
            Err(_) => Err(self.silent(CONNECT_TIMEOUT)),
        }
    }

    /// What is wrong, in a sentence.
    pub fn sentence(&self, error: &RedisError) -> String {
        let place = &self.place;
        let refused = error.kind() == ErrorKind::AuthenticationFailed
            || matches!(error.code(), Some("NOAUTH" | "WRONGPASS"));
        if refused {
            return format!("Redis at {place} refuses the user or the password");
        }
        format!("Redis at {place} cannot be used: {error}")
    }

    /// That the connection has ended.
    pub fn lost(&self) -> String {
        format!("Redis at {} has closed the connection", self.place)
    }

    /// That nothing was heard.
    pub fn silent(&self, for_so_long: Duration) -> String {
        format!("Redis at {} did not answer within {} ms", self.place, for_so_long.as_millis())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(url: &str) -> Result<String, String> {
        place_of(&SecretString::from(url))
    }

    #[test]
    fn a_place_is_host_port_and_number_and_never_the_password() {
        for (url, expected) in [
            ("redis://cache.example", "cache.example:6379"),
            ("redis://:hunter2@cache.example:6380/3", "cache.example:6380/3"),
            ("rediss://trader:hunter2@[::1]:7000/", "[::1]:7000"),
        ] {
            assert_eq!(place(url).as_deref(), Ok(expected));
        }
        for wrong in [
            "",
            "cache:6379",
            "http://:hunter2@cache",
            "unix:///run/hunter2",
            "redis://",
            "redis://:hunter2@",
            "redis://:hunter2@cache/books",
            "redis://:hunter2@cache/-1",
            "redis://:hunter2@cache:99999",
            "redis://:hunter2@cache/0?protocol=hunter2",
            "rediss://:hunter2@cache/#insecure",
        ] {
            let said = place(wrong).expect_err(wrong);
            assert!(!said.contains("hunter2") && !said.is_empty(), "{wrong}: {said}");
        }
    }
}

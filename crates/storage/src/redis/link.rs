//! One connection that is kept up, and is not waited for while it is down.

use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use redis::RedisResult;
use redis::aio::MultiplexedConnection;
use tokio::sync::{Notify, Semaphore, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::address::Address;

/// How long an answer may take: the receiver is waiting for it.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(150);
/// How often it is looked whether Redis still works, also while nobody asks it anything.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);
/// The first pause before a new connection is tried; each one after it is twice as long, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// How many questions may be under way.
pub const MAX_QUESTIONS: usize = 1_024;

/// A question that shows whether Redis does its work: what is written cannot be, where it is full or only a copy.
pub type Probe = Box<dyn Fn(MultiplexedConnection) -> Answer<()> + Send + Sync>;
/// An answer on its way.
pub type Answer<T> = Pin<Box<dyn Future<Output = RedisResult<T>> + Send>>;

/// A connection that is kept up.
pub struct Link {
    shared: Arc<Shared>,
    keeper: JoinHandle<()>,
}

struct Shared {
    address: Arc<Address>,
    state: RwLock<State>,
    /// Wakes the keeper when the connection was found broken.
    broken: Notify,
    questions: Semaphore,
}

/// How the link stands.
enum State {
    /// Connected, for the so-many-th time.
    Up(u64, MultiplexedConnection),
    /// Away, and why.
    Away(String),
}

impl Link {
    /// Connects; returns after the first attempt, however it ended.
    pub async fn open(address: Address, probe: Probe) -> Self {
        let shared = Arc::new(Shared {
            address: Arc::new(address),
            state: RwLock::new(State::Away("Redis has not been reached yet".to_owned())),
            broken: Notify::new(),
            questions: Semaphore::new(MAX_QUESTIONS),
        });
        let (tried, first) = oneshot::channel();
        let keeper = tokio::spawn(keep(Arc::clone(&shared), probe, tried));
        // The keeper never ends before it has tried.
        let _ = first.await;
        Self { shared, keeper }
    }

    /// Where Redis is, for a connection beside this one.
    pub fn address(&self) -> Arc<Address> {
        Arc::clone(&self.shared.address)
    }

    /// Why nothing can be asked; `None` where it can.
    pub fn away(&self) -> Option<String> {
        match &*self.shared.read() {
            State::Up(..) => None,
            State::Away(why) => Some(why.clone()),
        }
    }

    /// Asks something. Whatever goes wrong makes the link away for all, so that one request waits for the timeout, not each.
    pub async fn ask<T>(
        &self,
        question: impl FnOnce(MultiplexedConnection) -> Answer<T>,
    ) -> Result<T, String> {
        let (turn, connection) = match &*self.shared.read() {
            State::Up(turn, connection) => (*turn, connection.clone()),
            State::Away(why) => return Err(why.clone()),
        };
        let Ok(_one_of_them) = self.shared.questions.try_acquire() else {
            return Err(format!("more than {MAX_QUESTIONS} questions to Redis are under way"));
        };
        let answer = self.shared.answer(question(connection)).await;
        if let Err(why) = &answer {
            self.shared.fail(turn, why);
        }
        answer
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

impl Shared {
    fn read(&self) -> std::sync::RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, state: State) {
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = state;
    }

    /// Notes that the connection of this turn is of no use any more; a later one may be.
    fn fail(&self, turn: u64, why: &str) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if matches!(&*state, State::Up(current, _) if *current == turn) {
            *state = State::Away(why.to_owned());
            self.broken.notify_one();
        }
    }

    fn is_up(&self, turn: u64) -> bool {
        matches!(&*self.read(), State::Up(current, _) if *current == turn)
    }

    async fn answer<T>(&self, answer: Answer<T>) -> Result<T, String> {
        match timeout(ANSWER_TIMEOUT, answer).await {
            Ok(answer) => answer.map_err(|error| self.address.sentence(&error)),
            Err(_) => Err(self.address.silent(ANSWER_TIMEOUT)),
        }
    }

    /// A new connection on which Redis was seen to work.
    async fn connect(&self, probe: &Probe) -> Result<MultiplexedConnection, String> {
        let connection = self.address.connect(MAX_QUESTIONS).await?;
        self.answer(probe(connection.clone())).await?;
        Ok(connection)
    }

    /// Returns when the connection of this turn is of no use any more.
    async fn watch(&self, turn: u64, connection: MultiplexedConnection, probe: &Probe) {
        while self.is_up(turn) {
            tokio::select! {
                () = self.broken.notified() => {}
                () = sleep(PROBE_INTERVAL) => {
                    if let Err(why) = self.answer(probe(connection.clone())).await {
                        self.fail(turn, &why);
                    }
                }
            }
        }
    }
}

/// Connects again and again.
async fn keep(shared: Arc<Shared>, probe: Probe, tried: oneshot::Sender<()>) {
    let mut tried = Some(tried);
    let mut pause = FIRST_PAUSE;
    for turn in 0.. {
        let connected = shared.connect(&probe).await;
        let is_up = connected.is_ok();
        let watched = connected.as_ref().ok().cloned();
        shared.set(connected.map_or_else(State::Away, |connection| State::Up(turn, connection)));
        if let Some(tried) = tried.take() {
            // Whoever opened it may be gone.
            let _ = tried.send(());
        }
        if let Some(connection) = watched {
            shared.watch(turn, connection, &probe).await;
        }
        pause = if is_up { FIRST_PAUSE } else { pause };
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

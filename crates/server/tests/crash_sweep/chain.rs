//! One history: the program lives many short lives on the same books, each ended by a kill, and then a quiet one.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use atomik_testkit::fuzz::Random;
use atomik_testkit::venues::alpaca::AlpacaVenue;
use serde_json::Value;
use tempfile::TempDir;

use crate::client::{Alert, Wants, ask};
use crate::common::{PATIENCE, Server, body_of, last_words, readiness};
use crate::oracle;
use crate::strace::{self, Kill};
use crate::trader::{ALLOWED, PAPER, Trader};

/// How many bursts of alerts a life sees, if it is long enough.
const BURSTS: usize = 3;
/// How much more often one call is picked than another at most, however much more often it is made.
const PICKS: usize = 40;
/// How often the program is asked whether it is quiet. Its answers are calls too.
const PAUSE: Duration = Duration::from_millis(100);

/// How a life ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    /// Where strace killed it, before it listened.
    Starting,
    /// Where strace killed it, later.
    Serving,
    /// It never came to the call, and was killed after all of its alerts.
    Late,
}

pub struct Chain {
    seed: u64,
    pub dir: TempDir,
    pub venue: AlpacaVenue,
    pub trader: Trader,
    /// The client's journal.
    pub alerts: Vec<Alert>,
    /// How each life ended.
    pub deaths: Vec<(Kill, Death)>,
    /// Picks kills, and nothing else: how much of a life is seen is a matter of timing.
    picks: Random,
    random: Random,
}

impl Chain {
    pub fn new(seed: u64, venue: AlpacaVenue) -> Self {
        let dir = TempDir::new().unwrap();
        let trader = Trader::new(dir.path(), &venue);
        let (alerts, deaths) = (Vec::new(), Vec::new());
        let (picks, random) = (Random::of(seed), Random::of(!seed));
        Self { seed, dir, venue, trader, alerts, deaths, picks, random }
    }

    /// How it is played again, and how its lives ended.
    pub fn name(&self) -> String {
        let deaths: Vec<_> = self.deaths.iter().map(|(kill, death)| format!("{kill} ({death:?})")).collect();
        format!("ATOMIK_SEED={} plays this again: {}", self.seed, deaths.join(", "))
    }

    /// How often each call is made by one thread in a life that comes after a kill.
    pub fn measure(&mut self) -> BTreeMap<String, usize> {
        Server::start_with(self.dir.path(), &ALLOWED).kill();
        let file = self.dir.path().join("calls");
        let starter = strace::counting(&file);
        let starter: Vec<_> = starter.iter().map(String::as_str).collect();
        let mut server = Server::start_under(&starter, self.dir.path(), &ALLOWED);
        let pid = server.pid();
        assert_eq!(self.live(&mut server), Death::Late);
        strace::counted(&file, pid)
    }

    /// Lives until so many lives were ended by strace.
    pub fn crash(&mut self, times: u64, ranges: &BTreeMap<String, usize>) {
        // A call that is made once a life has one place to be killed at, and no more of the kills than that is worth.
        let picks = |(call, most): (&'_ String, &usize)| vec![(call.clone(), *most); (*most).min(PICKS)];
        let calls: Vec<_> = ranges.iter().flat_map(picks).collect();
        let mut crashes = 0;
        while crashes < times {
            let (call, most) = calls[self.picks.below(calls.len())].clone();
            // Lives differ: some are over before the last of the calls that were counted in one of them.
            let kill = Kill { call, nth: 1 + self.picks.below((most * 4).div_ceil(5)) };
            let starter = strace::killing(&kill);
            let starter: Vec<_> = starter.iter().map(String::as_str).collect();
            let server = Server::try_start_under(&starter, self.dir.path(), &ALLOWED);
            let death = server.map_or(Death::Starting, |mut server| self.live(&mut server));
            self.deaths.push((kill, death));
            crashes += u64::from(death != Death::Late);
            assert!(
                u64::try_from(self.deaths.len()).unwrap() <= 20 + 4 * times,
                "most lives never come to their calls"
            );
        }
    }

    /// Sends what is open, then burst after burst, until it is dead or there are no more.
    fn live(&mut self, server: &mut Server) -> Death {
        self.send_again(server);
        for _ in 0..BURSTS {
            if server.has_ended() {
                return Death::Serving;
            }
            self.burst(server);
            // Else the next one comes while orders of this one are on their way.
            if self.random.below(3) > 0 && !self.is_quiet(server) {
                return Death::Serving;
            }
        }
        if !self.is_quiet(server) {
            return Death::Serving;
        }
        server.kill();
        Death::Late
    }

    /// Alerts to some of the webhooks in one moment.
    fn burst(&mut self, server: &Server) {
        let hooks = self.trader.hooks.len();
        let first = self.random.below(hooks);
        let fired: Vec<_> =
            (0..=self.random.below(hooks)).map(|next| self.fire((first + next) % hooks)).collect();
        let answers: Vec<_> = std::thread::scope(|scope| {
            let sends: Vec<_> = fired
                .iter()
                .map(|place| {
                    let (alert, path) = self.of(*place);
                    scope.spawn(move || alert.send(&server.address, path))
                })
                .collect();
            sends.into_iter().map(|send| send.join().unwrap()).collect()
        });
        for (place, answer) in fired.into_iter().zip(answers) {
            self.note(place, answer);
        }
    }

    /// Makes an alert. Gives its place.
    fn fire(&mut self, hook: usize) -> usize {
        let wants = [Wants::Entry, Wants::Entry, Wants::ExitHalf, Wants::ExitAll][self.random.below(4)];
        self.make(hook, wants)
    }

    fn make(&mut self, hook: usize, wants: Wants) -> usize {
        let number = u32::try_from(self.alerts.len()).unwrap();
        self.alerts.push(Alert { number, hook, wants, answers: Vec::new(), is_given_up: false });
        self.alerts.len() - 1
    }

    fn of(&self, place: usize) -> (&Alert, &str) {
        let alert = &self.alerts[place];
        (alert, &self.trader.hooks[alert.hook].path)
    }

    fn note(&mut self, place: usize, answer: Option<u16>) {
        let gives_up = self.random.below(4) == 0;
        let alert = &mut self.alerts[place];
        alert.answers.push(answer);
        alert.is_given_up = gives_up && alert.is_refused();
    }

    /// Sends once more whatever was not accepted.
    fn send_again(&mut self, server: &Server) {
        for place in 0..self.alerts.len() {
            if self.alerts[place].is_open() {
                let (alert, path) = self.of(place);
                let answer = alert.send(&server.address, path);
                self.note(place, answer);
            }
        }
    }

    /// Waits until nothing is left to do on the paper account; at the venue an order may be looked for much longer. `false` where the
    /// server dies first.
    fn is_quiet(&self, server: &mut Server) -> bool {
        let request = format!(
            "GET /api/v1/signals?limit=100 HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {}\r\nconnection: close\r\n\r\n",
            self.trader.key
        );
        let paper: Vec<_> = self.trader.hooks.iter().map(|hook| hook.paper).collect();
        let is_done = |outcome: &Value| {
            !paper.contains(&outcome["strategy_id"].as_i64().unwrap()) || oracle::is_final(outcome)
        };
        let deadline = Instant::now() + PATIENCE;
        while !server.has_ended() {
            let answer = ask(&server.address, &request).unwrap_or_default();
            // What was cut off cannot be read.
            if let Ok(page) = serde_json::from_str::<Value>(body_of(&answer))
                && let Some(signals) = page["items"].as_array()
                && signals.iter().flat_map(|signal| signal["strategies"].as_array().unwrap()).all(is_done)
            {
                return true;
            }
            assert!(Instant::now() < deadline, "never quiet: {answer}");
            std::thread::sleep(PAUSE);
        }
        false
    }

    /// A life that nobody ends: everything is accepted and settled, and everything is sold in the end. Gives what is wrong.
    pub fn settle(&mut self) -> Vec<String> {
        let server = Server::start_with(self.dir.path(), &ALLOWED);
        readiness(&server, 200);
        for account in [PAPER, self.trader.account] {
            server.wait_until_connected(account, &self.trader.key);
        }
        self.send_until_accepted(&server);
        self.wait_until_final(&server);
        let mut found = oracle::compare(self, &server);
        for hook in 0..self.trader.hooks.len() {
            self.make(hook, Wants::ExitAll);
        }
        self.send_until_accepted(&server);
        self.wait_until_final(&server);
        found.extend(oracle::compare(self, &server));
        found.extend(oracle::compare_flat(self, &server));
        found
    }

    fn send_until_accepted(&mut self, server: &Server) {
        let deadline = Instant::now() + PATIENCE;
        while self.alerts.iter().any(Alert::is_open) {
            assert!(Instant::now() < deadline, "never accepted: {:?}", self.alerts);
            self.send_again(server);
        }
    }

    fn wait_until_final(&self, server: &Server) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let signals = server.list("/api/v1/signals", &self.trader.key);
            let mut open = signals.iter().flat_map(|signal| signal["strategies"].as_array().unwrap());
            let Some(open) = open.find(|outcome| !oracle::is_final(outcome)) else { return };
            assert!(Instant::now() < deadline, "never settled: {open}");
            std::thread::sleep(PAUSE);
        }
    }
}

impl Drop for Chain {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}\n{}", self.name(), last_words(self.dir.path()));
        }
    }
}

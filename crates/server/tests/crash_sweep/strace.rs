//! Starts the program under strace, which counts its calls of the system, or kills it at one of them.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use crate::common::PATIENCE;

/// What writes, flushes or sends; and what hears an answer, for then what was sent has gone.
const CALLS: &str = "write,writev,pwrite64,pwritev,ftruncate,fsync,fdatasync,sendto,sendmsg,recvfrom";

/// Where the program dies: one of its threads makes this call for the n-th time, and does not get to it.
#[derive(Clone, Debug)]
pub struct Kill {
    pub call: String,
    pub nth: usize,
}

impl std::fmt::Display for Kill {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} #{}", self.call, self.nth)
    }
}

/// Whether strace can kill here. Where it cannot, that is said.
pub fn is_there() -> bool {
    let kill = Kill { call: "write".to_owned(), nth: 1 };
    let words = killing(&kill);
    match Command::new(&words[0]).args(&words[1..]).args(["echo", "alive"]).output() {
        Err(error) => eprintln!("skipped: strace kills the program, and cannot be run: {error}"),
        Ok(output) if output.status.success() || !output.stdout.is_empty() => {
            eprintln!("skipped: strace kills the program, and may not trace here");
        }
        Ok(output) if output.status.code().is_some() => {
            let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            eprintln!("skipped: strace kills the program, and does not here: {why}");
        }
        Ok(_) => return true,
    }
    false
}

/// strace beside the program, which stays our own child. Not with `--seccomp-bpf`, where strace puts no signal in.
fn beside(output: &str, calls: &str) -> Vec<String> {
    let trace = format!("trace={calls}");
    ["strace", "-D", "-f", "-o", output, "-e", &trace].map(str::to_owned).to_vec()
}

/// Starts what is killed.
pub fn killing(kill: &Kill) -> Vec<String> {
    let mut words = beside("/dev/null", &kill.call);
    words.extend(["-e".to_owned(), format!("inject={}:signal=SIGKILL:when={}", kill.call, kill.nth)]);
    words
}

/// Starts what is counted, into a file.
pub fn counting(file: &Path) -> Vec<String> {
    beside(file.to_str().unwrap(), CALLS)
}

/// How often the thread that made a call most often made it, once the process is gone.
pub fn counted(file: &Path, pid: u32) -> BTreeMap<String, usize> {
    let deadline = Instant::now() + PATIENCE;
    // Numbers of processes are filled up with blanks.
    let is_last = |line: &str| {
        line.split_once(' ')
            .is_some_and(|(process, rest)| process == pid.to_string() && rest.trim_start().starts_with("+++"))
    };
    let trace = loop {
        let trace = std::fs::read_to_string(file).unwrap();
        if trace.lines().any(is_last) {
            break trace;
        }
        assert!(Instant::now() < deadline, "strace never says that {pid} has ended");
        std::thread::sleep(std::time::Duration::from_millis(10));
    };
    let mut of_threads: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for line in trace.lines() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        if let Some((call, _)) = rest.trim_start().split_once('(')
            && CALLS.split(',').any(|one| one == call)
        {
            *of_threads.entry((thread, call)).or_default() += 1;
        }
    }
    let mut most = BTreeMap::new();
    for ((_, call), times) in of_threads {
        let so_far: &mut usize = most.entry(call.to_owned()).or_default();
        *so_far = times.max(*so_far);
    }
    most
}

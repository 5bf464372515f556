//! How many connections the system leaves room for.

use std::fs;

/// Where Linux says what a process may have.
const LIMITS: &str = "/proc/self/limits";

/// `wanted` connections, or as many as half of the files and sockets that this process may have open. The other half is for the
/// store and the brokers, which must not go without because strangers hold connections.
pub fn connections(wanted: usize) -> usize {
    let Some(limit) = fs::read_to_string(LIMITS).ok().and_then(|limits| open_files(&limits)) else {
        return wanted;
    };
    let most = (limit / 2).max(1);
    if most < wanted {
        tracing::warn!(
            limit,
            most,
            wanted,
            "the system's limit of open files leaves room for fewer connections than server.max_connections: raise it \
             (LimitNOFILE= of a systemd unit, or ulimit -n)"
        );
    }
    wanted.min(most)
}

/// The limit that is in force; `None` where there is none, or it cannot be read.
fn open_files(limits: &str) -> Option<usize> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_in_force_is_read() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
                      Max open files            1024                 524288               files     \n";
        assert_eq!(open_files(limits), Some(1_024));
        assert_eq!(open_files(&limits.replace("1024  ", "unlimited")), None);
        assert_eq!(open_files(""), None);
    }
}

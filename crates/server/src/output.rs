//! What commands say, on the standard output.
//!
//! A reader that has seen enough (`atomik openapi | head`) is no fault: what it does not want is dropped, and the command
//! goes on and ends as it would have.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};
use std::path::Path;

/// Writes a line.
///
/// # Errors
/// The system's, where it cannot be written.
pub fn line(text: impl Display) -> io::Result<()> {
    written(writeln!(io::stdout().lock(), "{text}"))
}

/// Writes text that has its own line ends.
///
/// # Errors
/// The system's, where it cannot be written.
pub fn text(text: &str) -> io::Result<()> {
    written(io::stdout().lock().write_all(text.as_bytes()))
}

/// A command of this program on a data directory, ready to be pasted into a shell where this one was started.
pub fn command(words: &str, data_dir: &Path) -> String {
    let program = std::env::args_os().next().unwrap_or_else(|| "atomik".into());
    format!(
        "{} {words} --data-dir {}",
        quoted(&program.to_string_lossy()),
        quoted(&data_dir.to_string_lossy())
    )
}

fn quoted(text: &str) -> String {
    if text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte)) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn written(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_shell_would_take_apart_is_quoted() {
        assert_eq!(quoted("./data-1/x_y"), "./data-1/x_y");
        assert_eq!(quoted("my data"), "'my data'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }
}

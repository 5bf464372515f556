//! What commands say, on the standard output.

use std::fmt::Display;
use std::io::{self, Write};

/// Writes a line.
///
/// # Errors
/// The system's, where nobody reads any more.
pub fn line(text: impl Display) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{text}")
}

/// Writes text that has its own line ends.
///
/// # Errors
/// The system's, where nobody reads any more.
pub fn text(text: &str) -> io::Result<()> {
    io::stdout().lock().write_all(text.as_bytes())
}

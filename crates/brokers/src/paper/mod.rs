//! The paper broker: a venue of our own, with its own rules, its own database and its own commits.
//!
//! - `venue`, `margin`, `matching`, `feed`, `book` are pure: what an account is and what happens to it;
//! - `desk` is the one task that owns every account that is connected here: it takes a batch of commands, lets the accounts
//!   decide, commits all of it at once, and only then gives the `answers`;
//! - `store` is the books, in the file `paper.db` or in a PostgreSQL database that many nodes share; `held` is what a backup
//!   asks of them from another process, `moved` takes them from the one into the other; `connector` and `broker` are the port's two traits.
//!
//! Architecture invariant: nobody sees what is not committed. The desk answers nothing and reads nothing between a
//! decision and its commit, and where a commit fails it forgets what it decided and reads the accounts again.

mod answers;
mod book;
mod broker;
mod connector;
mod desk;
pub mod feed;
mod held;
mod margin;
mod matching;
mod moved;
pub mod settings;
mod store;
mod venue;

pub use connector::{DATABASE_FILE, OpenError, PaperVenue};
pub use held::{HeldVenue, HoldError};
pub use moved::{Moved, compare_books, move_books};
pub use settings::PaperSettings;

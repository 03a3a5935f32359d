//! Books on shelves.

#[macro_use]
mod logging;
mod error;
pub mod model;
pub mod prelude;
mod store;
#[cfg(unix)]
#[path = "sys/unix.rs"]
mod sys;
#[cfg(not(unix))]
#[path = "sys/other.rs"]
mod sys;
pub mod util;

pub use error::{Error, Result};
pub use store::{Memory, Store};

pub const LIMIT: usize = 64;

pub fn home() -> String {
    sys::home_folder()
}

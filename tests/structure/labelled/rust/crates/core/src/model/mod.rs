mod author;
mod book;
pub mod isbn;

pub use self::author::Author;
pub use self::book::*;

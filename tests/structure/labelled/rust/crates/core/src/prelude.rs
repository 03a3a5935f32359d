pub use crate::model::{Author, Book};
pub use crate::Store;

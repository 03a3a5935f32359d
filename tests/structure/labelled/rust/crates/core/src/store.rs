mod disk;
mod memory;

pub use disk::Disk;
pub use memory::Memory;

use crate::{model::Book, Result};

pub trait Store {
    fn put(&mut self, book: Book) -> Result<()>;
}

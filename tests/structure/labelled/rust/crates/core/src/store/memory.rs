use crate::prelude::*;
use crate::{Error, LIMIT};

#[derive(Default)]
pub struct Memory {
    books: Vec<Book>,
}

impl Store for Memory {
    fn put(&mut self, book: Book) -> crate::error::Result<()> {
        note!("put");
        if self.books.len() == LIMIT {
            return Err(Error::Full(LIMIT));
        }
        self.books.push(book);
        Ok(())
    }
}

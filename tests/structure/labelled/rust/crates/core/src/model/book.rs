use super::isbn::Isbn;
use super::Author;
use macros::Entity;

#[derive(Entity)]
pub struct Book {
    pub isbn: Isbn,
    pub author: Author,
}

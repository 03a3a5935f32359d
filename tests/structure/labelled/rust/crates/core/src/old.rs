use crate::model::Book;

pub fn unused(_: Book) {}

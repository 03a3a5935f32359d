mod common;

use shelf_core::prelude::*;

#[test]
fn stores() {
    let mut store = common::filled();
    let book = Book { isbn: shelf_core::model::isbn::Isbn::parse("1"), author: Author { name: String::new() } };
    store.put(book).unwrap();
}

use crate::store::open;
use shelf_core::{model::{isbn, Book}, Error, Store as _};

pub fn run() {
    let _: fn(&str) -> isbn::Isbn = isbn::Isbn::parse;
    let _: Option<(Book, Error)> = None;
    open();
}

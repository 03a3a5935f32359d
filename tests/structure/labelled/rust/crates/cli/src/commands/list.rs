use super::super::store;
use ::shelf_core::util::text as words;

pub fn run() {
    store::open();
    words::print("list");
}

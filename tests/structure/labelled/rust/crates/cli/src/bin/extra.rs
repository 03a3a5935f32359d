extern crate shelf_core as core_of_shelf;

fn main() {
    core_of_shelf::home();
}

fn main() {
    println!("{}", shelf_core::home());
}

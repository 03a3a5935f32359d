use shelf_core::util::units::Bytes;

fn main() {
    Bytes(1).total();
}

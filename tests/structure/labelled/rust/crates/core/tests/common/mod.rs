use shelf_core::Memory;

pub fn filled() -> Memory {
    Memory::default()
}

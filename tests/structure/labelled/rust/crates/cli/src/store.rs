pub fn open() -> shelf_core::Memory {
    <shelf_core::Memory as Default>::default()
}

pub mod text;

pub mod units {
    mod bytes;
    pub use self::bytes::Bytes;

    pub fn double(value: u64) -> u64 {
        super::text::width() * value
    }
}

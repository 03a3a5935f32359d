use super::super::text::width;

pub struct Bytes(pub u64);

impl Bytes {
    pub fn total(&self) -> u64 {
        super::double(self.0 + width())
    }
}

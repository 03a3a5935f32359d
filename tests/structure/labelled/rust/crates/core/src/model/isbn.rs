use crate::util;

pub struct Isbn(pub String);

impl Isbn {
    pub fn parse(text: &str) -> Self {
        Isbn(util::text::trimmed(text))
    }
}

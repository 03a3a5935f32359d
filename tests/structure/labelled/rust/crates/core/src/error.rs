use std::fmt;

#[derive(Debug)]
pub enum Error {
    Full(usize),
}

pub type Result<T> = std::result::Result<T, Error>;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "more than {} (see model::Book)", crate::LIMIT)
    }
}

use serde::Serialize;

#[derive(Serialize)]
pub struct Author {
    pub name: String,
}

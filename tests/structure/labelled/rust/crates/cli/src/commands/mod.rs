pub mod add;
pub mod list;

pub enum Command {
    Add,
    List,
}

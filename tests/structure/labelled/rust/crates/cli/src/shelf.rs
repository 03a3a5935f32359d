mod commands;
mod store;

use commands::{add, Command as Task};

fn main() {
    let task = Task::Add;
    match task {
        Task::Add => add::run(),
        Task::List => commands::list::run(),
    }
}

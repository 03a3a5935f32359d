include!("table.in.rs");

pub fn print(text: &str) {
    println!("{text}");
}

pub fn trimmed(text: &str) -> String {
    text.trim().to_string()
}

pub fn width() -> u64 {
    WIDTHS[0]
}

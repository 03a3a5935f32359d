pub fn entry() -> String {
    std::env::var("HOME").unwrap_or_default()
}

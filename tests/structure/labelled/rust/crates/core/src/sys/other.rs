pub fn home_folder() -> String {
    String::new()
}

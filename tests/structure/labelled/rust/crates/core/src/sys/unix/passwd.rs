pub fn entry() -> String {
    String::from("a file that came by a path attribute looks beside itself, not here")
}

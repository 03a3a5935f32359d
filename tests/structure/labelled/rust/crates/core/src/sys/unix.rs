mod passwd;

pub fn home_folder() -> String {
    passwd::entry()
}

macro_rules! note {
    ($text:expr) => {
        $crate::util::text::print($text)
    };
}

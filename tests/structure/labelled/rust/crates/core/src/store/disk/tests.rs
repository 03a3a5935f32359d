use super::*;
use tempfile::tempdir;

#[test]
fn puts() {
    let _ = (tempdir(), Disk);
}

pub struct Serialize;

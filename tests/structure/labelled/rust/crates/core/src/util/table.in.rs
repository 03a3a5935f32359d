const WIDTHS: [u64; 1] = [8];

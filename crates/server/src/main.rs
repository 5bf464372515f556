//! The `atomik` program.

fn main() {}

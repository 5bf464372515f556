//! Makes cargo look again when the dashboard was built. Builds nothing itself: `npm run build` in `web/` does.

fn main() {
    let built = "../../web/dist";
    // Cargo takes a path that does not exist for changed, and would build this crate every time.
    let watched = if std::path::Path::new(built).exists() { built } else { "build.rs" };
    println!("cargo::rerun-if-changed={watched}");
}

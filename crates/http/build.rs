//! Makes cargo look again when the dashboard was built. Builds nothing itself: `npm run build` in `web/` does.

fn main() {
    println!("cargo::rerun-if-changed=../../web/dist");
}

//! Makes a failing history as short as it gets: leaves steps out while it still fails.

/// The steps that are left when no one of them can be left out. `fails` is asked about the steps that would be played.
pub fn shrink(steps: &[u32], mut fails: impl FnMut(&[u32]) -> bool) -> Vec<u32> {
    let mut steps = steps.to_vec();
    let mut size = steps.len().div_ceil(2).max(1);
    loop {
        let mut place = 0;
        let mut is_shorter = false;
        while place < steps.len() {
            let mut fewer = steps.clone();
            fewer.drain(place..(place + size).min(fewer.len()));
            if fails(&fewer) {
                steps = fewer;
                is_shorter = true;
            } else {
                place += size;
            }
        }
        if size == 1 && !is_shorter {
            return steps;
        }
        size = size.div_ceil(2).max(1);
    }
}

//! SplitMix64.

/// A source of choices.
pub struct Random(u64);

impl Random {
    /// The choices of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The choices of one step of a seed's history: the same whichever steps are played before it.
    pub fn of_step(seed: u64, step: u32) -> Self {
        let mut random = Self(seed ^ 0x5851_f42d_4c95_7f2d);
        let base = random.next();
        Self(base ^ u64::from(step).wrapping_mul(0xd6e8_feb8_6659_fd93))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    pub fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// From one to the most.
    pub fn units(&mut self, most: i64) -> i64 {
        1 + i64::try_from(self.next() % u64::try_from(most).expect("positive")).expect("small")
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.place(from.len())]
    }

    pub fn place(&mut self, len: usize) -> usize {
        usize::try_from(self.next() % len as u64).expect("small")
    }
}

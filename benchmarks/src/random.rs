//! Numbers that look random, the same ones in every variant: Marsaglia's xorshift64.

pub struct Random(u64);

impl Random {
    pub fn new() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }

    /// One of many that go ways of their own: tasks with the same numbers would all read the same block at a time.
    pub fn nth(n: u32) -> Self {
        Self(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(2 * u64::from(n) + 1))
    }

    /// A number below `bound`, which is a power of two.
    #[inline(always)]
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 20) & (bound - 1)
    }
}

//! Reproducible chance: the same number gives the same mutant everywhere.

/// SplitMix64.
pub struct Random(u64);

impl Random {
    /// Of a seed, the name of a file, and the number of a mutant.
    pub fn new(seed: u64, name: &str, number: u64) -> Self {
        let hash =
            name.bytes().fold(0xCBF2_9CE4_8422_2325u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01B3));
        let mut random = Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ hash.rotate_left(17) ^ number);
        random.draw();
        random
    }

    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Below `n`; 0 when `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        (self.draw() % n.max(1) as u64) as usize
    }

    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// One of `choices`, which must not be empty.
    pub fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    pub fn bytes(&mut self, n: usize) -> Vec<u8> {
        (0..n).map(|_| self.draw() as u8).collect()
    }

    /// A number of 16 bits at which things tend to break.
    pub fn word(&mut self) -> u16 {
        match self.below(3) {
            0 => self.draw() as u16,
            1 => self.below(70) as u16,
            _ => self.of(&[0, 1, 2, 255, 256, 1024, 4096, 20_000, 32_767, 32_768, 65_534, 65_535]),
        }
    }
}

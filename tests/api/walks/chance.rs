//! Random numbers that can be repeated: SplitMix64.
//! Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.

/// The sequence of numbers of a seed.
pub struct Chance {
    pub seed: u64,
    state: u64,
}

impl Chance {
    pub fn of(seed: u64) -> Self {
        Self { seed, state: seed }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which is not 0.
    pub fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).expect("below a usize")
    }

    /// True once in `times` times, on average.
    pub fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// One of these.
    pub fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    /// One of these, or `None` if there are none.
    pub fn any<T: Clone>(&mut self, of: &[T]) -> Option<T> {
        if of.is_empty() { None } else { Some(of[self.below(of.len())].clone()) }
    }
}

/// Draws every step as often as its weight says, in random order, before any comes again:
/// so none is missed by chance.
pub struct Bag {
    all: Vec<&'static str>,
    left: Vec<&'static str>,
}

impl Bag {
    pub fn of(weights: &[(&'static str, usize)]) -> Self {
        let all = weights.iter().flat_map(|(step, weight)| std::iter::repeat_n(*step, *weight)).collect();
        Self { all, left: Vec::new() }
    }

    pub fn draw(&mut self, chance: &mut Chance) -> &'static str {
        if self.left.is_empty() {
            self.left.clone_from(&self.all);
        }
        self.left.swap_remove(chance.below(self.left.len()))
    }
}

//! A target over its seeds, and over mutations of them: in every `cargo test`, without a fuzzer.

use std::panic::{AssertUnwindSafe, catch_unwind};

pub(crate) type Target = fn(&[u8]);

/// What a mutation is made with: xorshift64*, the same numbers in every run.
pub(crate) struct Random(u64);

impl Random {
    /// `seed` must not be 0.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Less than `bound`; 0 where that is 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() >> 33) as usize % bound.max(1)
    }
}

/// Lengths and numbers at the edges of their types.
const ODD: [&[u8]; 10] = [
    &[0xff; 8],
    &[0xff, 0xff, 0xff, 0xff],
    &[0xff, 0xff],
    &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    &[0xfc, 0xff, 0xff],
    &[0xff, 0xff, 0xff, 0x7f],
    &[0, 0, 0, 0x80],
    &[0; 4],
    &[0x80],
    &[1, 0, 0, 0],
];

/// One to four changes: bits, bytes, lengths, pieces that go, come twice, or come from another seed.
pub(crate) fn mutate(data: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    for _ in 0..=random.below(4) {
        let at = random.below(data.len());
        let end = data.len().min(at + 1 + random.below(16));
        match random.below(8) {
            0 => data.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << random.below(8)),
            1 => data.iter_mut().skip(at).take(1).for_each(|byte| *byte = random.next() as u8),
            2 | 3 => {
                let odd = ODD[random.below(ODD.len())];
                data.iter_mut().skip(at).zip(odd).for_each(|(byte, odd)| *byte = *odd);
            }
            4 => drop(data.drain(at..end)),
            5 => {
                let part = data[at..end].to_vec();
                data.splice(at..at, part);
            }
            6 => {
                let from = random.below(other.len());
                let part = &other[from..other.len().min(from + 1 + random.below(64))];
                let over = if random.below(2) == 0 { at } else { data.len().min(at + part.len()) };
                data.splice(at..over, part.iter().copied());
            }
            _ => data.truncate(at),
        }
    }
}

/// Runs a target over its seeds, and `count` times over one that is changed.
pub(crate) fn run(name: &str, target: Target, count: usize) {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/fuzz").join(name);
    let mut seeds: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    // Not in the order in which the file system happens to have them.
    seeds.sort();
    let seeds: Vec<_> = seeds.into_iter().map(|path| (path.clone(), std::fs::read(path).unwrap())).collect();
    assert!(!seeds.is_empty(), "no seeds in {}", folder.display());
    for (path, seed) in &seeds {
        assert!(catch_unwind(|| target(seed)).is_ok(), "{name}: the seed {}", path.display());
    }
    let mut random = Random(0x5eed);
    for number in 0..count {
        let mut data = seeds[random.below(seeds.len())].1.clone();
        mutate(&mut data, &seeds[random.below(seeds.len())].1, &mut random);
        if catch_unwind(AssertUnwindSafe(|| target(&data))).is_err() {
            let hex: String = data.iter().map(|byte| format!("{byte:02x}")).collect();
            panic!("{name}: mutation {number}: {hex}");
        }
    }
}

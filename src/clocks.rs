//! The monotonic and the wall clock, read together.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Both clocks are read within this time of each other. A thread that is preempted between them is away for milliseconds.
const APART: Duration = Duration::from_micros(20);
/// How often they are read for that; then the closest pair is taken.
const ATTEMPTS: usize = 5;

/// The same instant in both clocks: the monotonic one's, and how long ago 1970 began by the wall clock.
pub(crate) fn both() -> (Instant, Duration) {
    closest(Instant::now, || SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

/// The wall clock's time, in milliseconds since 1970.
pub(crate) fn epoch_ms() -> u64 {
    u64::try_from(both().1.as_millis()).unwrap_or(u64::MAX)
}

fn closest(mut monotonic: impl FnMut() -> Instant, mut wall: impl FnMut() -> Duration) -> (Instant, Duration) {
    let mut before = monotonic();
    let mut best: Option<(Duration, Instant, Duration)> = None;
    for _ in 0..ATTEMPTS {
        let since_1970 = wall();
        let after = monotonic();
        let apart = after.saturating_duration_since(before);
        if best.is_none_or(|(least, ..)| apart < least) {
            best = Some((apart, before, since_1970));
        }
        if apart <= APART {
            break;
        }
        before = after;
    }
    best.map_or_else(|| (before, wall()), |(_, monotonic, since_1970)| (monotonic, since_1970))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// Reads clocks that go on by these steps, at each reading of either.
    fn read(steps: &[Duration]) -> (Duration, Duration) {
        let begin = Instant::now();
        let now = std::cell::Cell::new(Duration::ZERO);
        let steps = std::cell::RefCell::new(steps.iter());
        let step = || {
            let time = now.get();
            now.set(time + steps.borrow_mut().next().copied().unwrap_or_default());
            time
        };
        let (monotonic, wall) = closest(|| begin + step(), step);
        (monotonic - begin, wall)
    }

    #[test]
    fn a_pause_between_the_clocks_does_not_part_them() {
        let (monotonic, wall) = read(&[Duration::from_micros(1); 3]);
        assert_eq!((monotonic, wall), (Duration::ZERO, Duration::from_micros(1)));
        for steps in [&[7 * MS, Duration::ZERO][..], &[Duration::ZERO, 7 * MS], &[7 * MS, 7 * MS, 9 * MS]] {
            let (monotonic, wall) = read(steps);
            assert!(wall - monotonic < Duration::from_micros(20), "{steps:?}: {monotonic:?} is {wall:?}");
        }
    }

    #[test]
    fn a_machine_that_always_pauses_gets_the_closest_pair() {
        let (monotonic, wall) = read(&[9 * MS, MS, 3 * MS, MS, MS, 8 * MS, 8 * MS, 8 * MS, 8 * MS, 8 * MS, 8 * MS]);
        assert_eq!((monotonic, wall), (10 * MS, 13 * MS));
    }
}

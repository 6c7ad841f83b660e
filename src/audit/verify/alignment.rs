//! Lines of a file against the hashes that its sidecar has of them.

use std::ops::Range;

use crate::audit::hash::{Link, MessageId};

/// How far apart a hash and its line are looked for, when they are not where they should be.
const REACH: usize = 64;
/// So many pairs are tried to find lines that have changed places.
const PAIRS: usize = 1_000_000;
/// One of so many lines shows where begins what a process has written.
const FIRST_LINES: usize = 4;

/// What the sidecar says of a line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Expected {
    pub(crate) id: MessageId,
    pub(crate) link: Link,
}

impl Expected {
    fn is(&self, line: &[u8]) -> bool {
        Link::of(self.link.previous, &self.id, line).hash == self.link.hash
    }
}

/// What became of the lines that were expected.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Alignment {
    /// Their numbers in the list of what was expected, and the lines' numbers.
    pub(crate) matched: Vec<(usize, usize)>,
    pub(crate) moved: Vec<usize>,
    pub(crate) edited: Vec<(usize, usize)>,
    pub(crate) removed: Vec<usize>,
    /// Lines that nobody expected.
    pub(crate) added: Vec<usize>,
    /// Lines that nobody expected after the last of a process.
    pub(crate) left: Vec<usize>,
}

/// What is between two lines that are as expected.
#[derive(Debug, Default)]
struct Gap {
    missing: Vec<usize>,
    extra: Vec<usize>,
    /// After it comes what another process has written, or nothing.
    is_last: bool,
}

/// Finds each line that is expected, in order; where that fails says what happened. Each of `starts` is the number of the first that a further
/// process has written: what nobody expects before that was written by one that was killed before it could say so. `place` is the number of the
/// line that was in the place of one that is expected, when it was written.
pub(crate) fn align(
    expected: &[Expected],
    starts: &[usize],
    place: &dyn Fn(usize) -> usize,
    lines: &[&[u8]],
) -> Alignment {
    let mut alignment = Alignment::default();
    let mut gaps: Vec<Gap> = Vec::new();
    for (of_expected, of_lines) in parts(expected, starts, place, lines) {
        align_part(expected, lines, of_expected, of_lines, &mut gaps, &mut alignment);
    }
    find_moved(expected, lines, &mut gaps, &mut alignment);
    for Gap { missing, extra, is_last } in gaps {
        let pairs = missing.len().min(extra.len());
        alignment.edited.extend(missing.iter().copied().zip(extra.iter().copied()));
        alignment.removed.extend(missing.into_iter().skip(pairs));
        let rest = extra.into_iter().skip(pairs);
        if is_last { alignment.left.extend(rest) } else { alignment.added.extend(rest) }
    }
    alignment
}

/// What each process has written, as far as a line shows where that begins.
fn parts(
    expected: &[Expected],
    starts: &[usize],
    place: &dyn Fn(usize) -> usize,
    lines: &[&[u8]],
) -> Vec<(Range<usize>, Range<usize>)> {
    let mut parts = Vec::new();
    let (mut begin, mut line_begin) = (0, 0);
    for start in starts.iter().copied().filter(|start| *start > 0) {
        let mut candidates = start.max(begin)..expected.len().min(start + FIRST_LINES);
        let found = candidates.find_map(|at| Some((at, nearest(expected, lines, at, line_begin, place(at))?)));
        if let Some((at, line)) = found {
            parts.push((begin..at, line_begin..line));
            (begin, line_begin) = (at, line);
        }
    }
    parts.push((begin..expected.len(), line_begin..lines.len()));
    parts
}

/// The line that is as expected and nearest to this place: another process may have written the same before.
fn nearest(expected: &[Expected], lines: &[&[u8]], at: usize, from: usize, place: usize) -> Option<usize> {
    let place = place.clamp(from, lines.len());
    let mut distances = 0..=place.abs_diff(from).max(lines.len() - place);
    distances.find_map(|distance| {
        let before = place.checked_sub(distance).filter(|line| *line >= from);
        let mut both = before.into_iter().chain(place.checked_add(distance));
        both.find(|line| is_match(expected, lines, at, *line))
    })
}

fn align_part(
    expected: &[Expected],
    lines: &[&[u8]],
    of_expected: Range<usize>,
    of_lines: Range<usize>,
    gaps: &mut Vec<Gap>,
    alignment: &mut Alignment,
) {
    let (mut at, mut line) = (of_expected.start, of_lines.start);
    let expected = expected.get(..of_expected.end).unwrap_or(expected);
    let lines = lines.get(..of_lines.end).unwrap_or(lines);
    let mut gap = Gap::default();
    while at < expected.len() || line < lines.len() {
        let (ahead, lines_ahead) = next_match(expected, lines, at, line);
        gap.missing.extend(at..at + ahead);
        gap.extra.extend(line..line + lines_ahead);
        (at, line) = (at + ahead, line + lines_ahead);
        if at < expected.len() && line < lines.len() && is_match(expected, lines, at, line) {
            if !gap.missing.is_empty() || !gap.extra.is_empty() {
                gaps.push(std::mem::take(&mut gap));
            }
            alignment.matched.push((at, line));
            (at, line) = (at + 1, line + 1);
        }
    }
    gap.is_last = true;
    gaps.push(gap);
}

fn is_match(expected: &[Expected], lines: &[&[u8]], at: usize, line: usize) -> bool {
    matches!((expected.get(at), lines.get(line)), (Some(expected), Some(line)) if expected.is(line))
}

/// How far ahead the next match is, in both; the nearest one. Without one in reach: one of each, or all that is left.
fn next_match(expected: &[Expected], lines: &[&[u8]], at: usize, line: usize) -> (usize, usize) {
    let (left, lines_left) = (expected.len() - at, lines.len() - line);
    if left == 0 || lines_left == 0 {
        return (left, lines_left);
    }
    for distance in 0..=REACH * 2 {
        for ahead in distance.saturating_sub(REACH)..=distance.min(REACH) {
            let lines_ahead = distance - ahead;
            if ahead < left && lines_ahead < lines_left && is_match(expected, lines, at + ahead, line + lines_ahead) {
                return (ahead, lines_ahead);
            }
        }
    }
    (left.min(REACH), lines_left.min(REACH))
}

/// Lines that are not where they were.
fn find_moved(expected: &[Expected], lines: &[&[u8]], gaps: &mut [Gap], alignment: &mut Alignment) {
    let missing: Vec<_> = gaps.iter().flat_map(|gap| gap.missing.clone()).collect();
    let mut extra: Vec<_> = gaps.iter().flat_map(|gap| gap.extra.clone()).collect();
    if missing.len().saturating_mul(extra.len()) > PAIRS {
        return;
    }
    let mut found = Vec::new();
    for at in missing {
        if let Some(place) = extra.iter().position(|line| is_match(expected, lines, at, *line)) {
            found.push((at, extra.swap_remove(place)));
        }
    }
    for gap in gaps {
        gap.missing.retain(|at| found.iter().all(|(moved, _)| moved != at));
        gap.extra.retain(|line| found.iter().all(|(_, moved)| moved != line));
    }
    alignment.moved.extend(found.into_iter().map(|(at, _)| at));
}

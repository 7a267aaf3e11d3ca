//! What edges wrote down of the media that they handed on, and the promise about it: once something
//! of a channel's generation was handed on, nothing of a lower one is, by whichever edge.
//!
//! A line for each batch of frames: when, by the clock that all processes of a machine share and
//! that goes on while it sleeps; of which channel; under which generation.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::str::FromStr;

use anyhow::{Context as _, Result};
use domain::ChannelId;
use rustix::time::{ClockId, clock_gettime};

/// One batch of media that an edge handed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// `CLOCK_BOOTTIME` in microseconds.
    pub at_micros: u64,
    /// The channel.
    pub channel: ChannelId,
    /// The generation under which it was live.
    pub generation: u64,
}

impl fmt::Display for Accepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.at_micros, self.channel, self.generation)
    }
}

impl FromStr for Accepted {
    type Err = anyhow::Error;

    fn from_str(line: &str) -> Result<Self> {
        let mut words = line.split(' ');
        let mut word = |what| {
            let word = words.next();
            word.with_context(|| format!("{line:?} has no {what}"))
        };
        Ok(Self {
            at_micros: word("time")?.parse()?,
            channel: ChannelId::parse(word("channel")?)
                .map_err(|_| anyhow::anyhow!("{line:?} names no channel"))?,
            generation: word("generation")?.parse()?,
        })
    }
}

/// The journal's clock.
///
/// # Panics
/// Never: the clock is there on every Linux, and it does not run before its start.
#[must_use]
pub fn now_micros() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    let part = |part: i64| u64::try_from(part).expect("the clock began at zero");
    part(now.tv_sec) * 1_000_000 + part(now.tv_nsec) / 1_000
}

/// Reads an edge's journal. What a killed edge was about to write is missing its line's end and is
/// not counted: whether it was handed on, nobody knows.
///
/// # Errors
/// When it cannot be read, or a whole line makes no sense.
pub fn read(file: &Path) -> Result<Vec<Accepted>> {
    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    parse(&text)
}

fn parse(text: &str) -> Result<Vec<Accepted>> {
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole.lines().map(str::parse).collect()
}

/// Something of an older generation that was handed on after something of a newer one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overlap {
    /// What should not have been handed on any more.
    pub stale: Accepted,
    /// What had been handed on before it.
    pub newer: Accepted,
}

/// Where the journals of all edges together break the promise: the first place of each channel.
#[must_use]
pub fn overlaps(journals: impl IntoIterator<Item = Vec<Accepted>>) -> Vec<Overlap> {
    let mut all: Vec<Accepted> = journals.into_iter().flatten().collect();
    all.sort_by_key(|accepted| (accepted.at_micros, accepted.generation));
    let mut newest: BTreeMap<ChannelId, Accepted> = BTreeMap::new();
    let mut overlaps: BTreeMap<ChannelId, Overlap> = BTreeMap::new();
    for accepted in all {
        let channel = accepted.channel.clone();
        match newest.get(&channel) {
            Some(newer) if accepted.generation < newer.generation => {
                let newer = newer.clone();
                let overlap = Overlap {
                    stale: accepted,
                    newer,
                };
                overlaps.entry(channel).or_insert(overlap);
            }
            _ => {
                newest.insert(channel, accepted);
            }
        }
    }
    overlaps.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(at_micros: u64, channel: u8, generation: u64) -> Accepted {
        Accepted {
            at_micros,
            channel: ChannelId::from_random([channel; 16]),
            generation,
        }
    }

    #[test]
    fn what_is_written_is_read_and_a_torn_end_is_left_out() {
        let lines = [accepted(1, 1, 1), accepted(20, 2, 3)];
        let text = format!("{}\n{}\n30 ch_", lines[0], lines[1]);
        assert_eq!(parse(&text).unwrap(), lines);
        assert_eq!(parse("30 ch").unwrap(), []);
    }

    #[test]
    fn a_whole_line_that_makes_no_sense_is_an_error() {
        assert!(parse("1 2\n").is_err());
        assert!(parse("one two three\n").is_err());
    }

    #[test]
    fn generations_that_follow_each_other_on_several_edges_are_no_overlap() {
        let first = vec![accepted(1, 1, 1), accepted(2, 1, 1), accepted(9, 1, 3)];
        let second = vec![accepted(5, 1, 2), accepted(1, 2, 7)];
        assert_eq!(overlaps([first, second]), []);
    }

    #[test]
    fn an_older_generation_after_a_newer_one_is_found_across_edges() {
        let first = vec![accepted(1, 1, 1), accepted(7, 1, 1), accepted(8, 1, 1)];
        let second = vec![accepted(5, 1, 2), accepted(6, 1, 2)];
        let expected = Overlap {
            stale: accepted(7, 1, 1),
            newer: accepted(6, 1, 2),
        };
        assert_eq!(overlaps([first, second]), [expected]);
    }

    #[test]
    fn the_clock_goes_on() {
        let before = now_micros();
        assert!(before > 0 && now_micros() >= before);
    }
}

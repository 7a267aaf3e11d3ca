//! What is counted, in a run and over many.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::checks::Rule;
use crate::fault::{Kind, NAMES};

/// Who fences an edge that holds on because the store is away for every edge it knows to live.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Residue {
    /// An edge that booted, or began another epoch, after the last good reading.
    NewEdge,
    /// The reaper, which no edge can ask.
    Reaper,
}

/// Counts of one run, or of many together.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Figures {
    /// Runs.
    pub seeds: u64,
    /// Events that happened.
    pub steps: u64,
    /// Virtual time that passed.
    pub simulated: Duration,
    /// Faults by kind, in the order of [`NAMES`].
    pub faults: [u64; NAMES.len()],
    /// Times that a channel went LIVE.
    pub lives: u64,
    /// Batches of media that were accepted.
    pub batches: u64,
    /// Epochs that were fenced.
    pub fences: u64,
    /// Fences of edges that had no fault.
    pub false_fences: u64,
    /// Sessions of a fenced epoch that went on under another.
    pub takeovers: u64,
    /// Deadlines that were put off because the store was away for all.
    pub holds: u64,
    /// Publishers whose media was accepted after their epoch was fenced, in the order of [`Residue`].
    pub residue: [u64; 2],
    /// How often each bound was asserted, and the longest that it took.
    pub bounds: BTreeMap<Rule, (u64, Duration)>,
}

impl Figures {
    /// Counts a fault.
    pub(crate) const fn fault(&mut self, kind: Kind) {
        self.faults[kind.number()] += 1;
    }

    /// A bound was asserted.
    pub(crate) fn took(&mut self, rule: Rule, time: Duration) {
        let (count, longest) = self.bounds.entry(rule).or_default();
        *count += 1;
        *longest = time.max(*longest);
    }

    /// Adds another's.
    pub fn add(&mut self, other: &Self) {
        self.seeds += other.seeds;
        self.steps += other.steps;
        self.simulated += other.simulated;
        for (mine, theirs) in self.faults.iter_mut().zip(other.faults) {
            *mine += theirs;
        }
        self.lives += other.lives;
        self.batches += other.batches;
        self.fences += other.fences;
        self.false_fences += other.false_fences;
        self.takeovers += other.takeovers;
        self.holds += other.holds;
        for (mine, theirs) in self.residue.iter_mut().zip(other.residue) {
            *mine += theirs;
        }
        for (rule, (count, longest)) in &other.bounds {
            let (mine, most) = self.bounds.entry(*rule).or_default();
            *mine += count;
            *most = (*most).max(*longest);
        }
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hours = self.simulated.as_secs_f64() / 3_600.0;
        writeln!(f, "seeds         {}", self.seeds)?;
        writeln!(
            f,
            "steps         {} in {hours:.1} virtual hours",
            self.steps
        )?;
        writeln!(f, "faults        {}", self.faults.iter().sum::<u64>())?;
        for (name, count) in NAMES.iter().zip(self.faults) {
            writeln!(f, "  {name:<20} {count}")?;
        }
        writeln!(
            f,
            "went LIVE     {}, {} batches of media accepted",
            self.lives, self.batches
        )?;
        writeln!(
            f,
            "fences        {}, false ones {}",
            self.fences, self.false_fences
        )?;
        writeln!(f, "takeovers     {}", self.takeovers)?;
        let [new_edge, reaper] = self.residue;
        writeln!(f, "holds         {}", self.holds)?;
        writeln!(
            f,
            "residue       {new_edge} by a new edge, {reaper} by the reaper"
        )?;
        for (rule, (count, longest)) in &self.bounds {
            writeln!(
                f,
                "bound         {rule:?}: asserted {count} times, longest {:.3} s",
                longest.as_secs_f64()
            )?;
        }
        Ok(())
    }
}

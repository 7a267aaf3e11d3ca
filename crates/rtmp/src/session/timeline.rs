//! Continues a track's 32-bit timestamps, and notices when they jump.

/// Backward steps up to this are reordering or rounding, milliseconds.
const LARGEST_STEP_BACK_MS: i64 = 1_000;

/// Forward steps up to this are an encoder that was stopped for a while, milliseconds.
const LARGEST_STEP_AHEAD_MS: i64 = 10_000;

/// The clock of one track.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Timeline {
    /// Timestamp of the last message, continued across wraps; nothing before the first one.
    last: Option<u64>,
    /// Monotonic time so far.
    elapsed: u64,
    /// Monotonic time minus timestamp; changes at jumps only.
    shift: i64,
}

/// What a message did to its track's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step {
    /// Timestamp of the message, continued across wraps, milliseconds.
    pub(super) timestamp: u64,
    /// Monotonic time of the track, milliseconds.
    pub(super) elapsed: u64,
    pub(super) first: bool,
    pub(super) jumped: bool,
}

impl Timeline {
    pub(super) fn last(&self) -> Option<u64> {
        self.last
    }

    /// The timestamp of something that goes with the track without being part of its time, such as
    /// a sequence header, which encoders send at zero.
    pub(super) fn place(&self, wire: u32) -> u64 {
        match self.last {
            Some(last) => continued(last, wire),
            None => u64::from(wire),
        }
    }

    pub(super) fn advance(&mut self, wire: u32) -> Step {
        let Some(last) = self.last else {
            self.last = Some(u64::from(wire));
            self.elapsed = u64::from(wire);
            return Step {
                timestamp: u64::from(wire),
                elapsed: self.elapsed,
                first: true,
                jumped: false,
            };
        };
        let timestamp = continued(last, wire);
        let step = timestamp.cast_signed().wrapping_sub(last.cast_signed());
        let jumped = !(-LARGEST_STEP_BACK_MS..=LARGEST_STEP_AHEAD_MS).contains(&step);
        if jumped {
            self.shift = self
                .elapsed
                .cast_signed()
                .wrapping_sub(timestamp.cast_signed());
        }
        let elapsed = timestamp.checked_add_signed(self.shift).unwrap_or(0);
        self.elapsed = self.elapsed.max(elapsed);
        self.last = Some(timestamp);
        Step {
            timestamp,
            elapsed: self.elapsed,
            first: false,
            jumped,
        }
    }
}

/// The 64-bit time nearest to `last` whose lower 32 bits are `wire`.
fn continued(last: u64, wire: u32) -> u64 {
    let [.., a, b, c, d] = last.to_be_bytes();
    let step = i64::from(
        wire.wrapping_sub(u32::from_be_bytes([a, b, c, d]))
            .cast_signed(),
    );
    match last.checked_add_signed(step) {
        Some(time) => time,
        // Before zero: the track began anew at a time that reads as slightly negative.
        None => u64::from(wire),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(wires: &[u32]) -> Vec<(u64, u64, bool)> {
        let mut timeline = Timeline::default();
        let step = |&wire| {
            let step = timeline.advance(wire);
            (step.timestamp, step.elapsed, step.jumped)
        };
        wires.iter().map(step).collect()
    }

    #[test]
    fn time_goes_on_across_the_wrap() {
        let steps = run(&[u32::MAX - 10, 20, 50]);
        let start = u64::from(u32::MAX) - 10;
        assert_eq!(
            steps,
            [
                (start, start, false),
                (start + 31, start + 31, false),
                (start + 61, start + 61, false)
            ]
        );
    }

    #[test]
    fn a_restart_from_zero_is_a_jump_and_time_stands_still_over_it() {
        let steps = run(&[50_000, 50_040, 0, 40]);
        assert_eq!(steps[2], (0, 50_040, true));
        assert_eq!(steps[3], (40, 50_080, false));
    }

    #[test]
    fn time_never_goes_back() {
        let steps = run(&[100, 140, 120, 160]);
        let elapsed: Vec<u64> = steps.iter().map(|step| step.1).collect();
        assert_eq!(elapsed, [100, 140, 140, 160]);
    }
}

//! The course of a run: what happens when. Decides from the time and from whether everybody has
//! either come live or is over; does nothing itself.

use std::time::{Duration, Instant};

/// What a run was asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wishes {
    /// Between everybody being live and what comes next.
    pub(crate) settle: Duration,
    /// Cut everybody once and let them come back.
    pub(crate) storm: bool,
    /// Length of the measured window, after which the run ends.
    pub(crate) window: Option<Duration>,
    /// After the window the publishers go on for so long, so that whoever watches the server can
    /// still read figures that belong to live publishers.
    pub(crate) hold: Duration,
    /// The run ends by then, whatever has happened.
    pub(crate) duration: Duration,
}

/// Something that is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Everybody is live, or over.
    AllStarted,
    /// Close every connection and connect again.
    Cut,
    /// Everybody is back, or over.
    AllBack,
    WindowBegins,
    WindowEnds,
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Starting,
    Settling { until: Instant, storm: bool },
    ComingBack,
    Measuring { until: Instant },
    Running,
    Holding { until: Instant },
    Ended,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Course {
    wishes: Wishes,
    deadline: Instant,
    stage: Stage,
}

impl Course {
    pub(crate) fn new(wishes: Wishes, now: Instant) -> Self {
        Self {
            wishes,
            deadline: now + wishes.duration,
            stage: Stage::Starting,
        }
    }

    /// Whether those who are turned away try again.
    pub(crate) fn retries(&self) -> bool {
        self.stage == Stage::ComingBack
    }

    /// What is to be done now, if anything; to be asked again until there is nothing. `settled`:
    /// everybody is live or over; `live`: anybody is live.
    pub(crate) fn next(&mut self, now: Instant, settled: bool, live: bool) -> Option<Step> {
        if self.stage == Stage::Ended {
            return None;
        }
        if now >= self.deadline {
            self.stage = Stage::Ended;
            return Some(Step::End);
        }
        let (stage, step) = match self.stage {
            Stage::Starting if settled => (self.settling(now, self.wishes.storm), Step::AllStarted),
            Stage::ComingBack if settled => (self.settling(now, false), Step::AllBack),
            Stage::Settling { storm, .. } if settled && !live && !storm => {
                (Stage::Ended, Step::End)
            }
            Stage::Settling { until, storm: true } if now >= until => {
                (Stage::ComingBack, Step::Cut)
            }
            Stage::Settling {
                until,
                storm: false,
            } if now >= until => match self.wishes.window {
                Some(window) => (
                    Stage::Measuring {
                        until: now + window,
                    },
                    Step::WindowBegins,
                ),
                None => {
                    self.stage = Stage::Running;
                    return None;
                }
            },
            Stage::Measuring { until } if now >= until => (
                Stage::Holding {
                    until: now + self.wishes.hold,
                },
                Step::WindowEnds,
            ),
            Stage::Holding { until } if now >= until => (Stage::Ended, Step::End),
            Stage::Starting
            | Stage::ComingBack
            | Stage::Settling { .. }
            | Stage::Measuring { .. }
            | Stage::Running
            | Stage::Holding { .. }
            | Stage::Ended => return None,
        };
        self.stage = stage;
        Some(step)
    }

    fn settling(&self, now: Instant, storm: bool) -> Stage {
        Stage::Settling {
            until: now + self.wishes.settle,
            storm,
        }
    }

    /// When [`next`](Self::next) may have something to say although nothing happened.
    pub(crate) fn wakes_at(&self) -> Instant {
        match self.stage {
            Stage::Settling { until, .. }
            | Stage::Measuring { until }
            | Stage::Holding { until } => until.min(self.deadline),
            Stage::Starting | Stage::ComingBack | Stage::Running | Stage::Ended => self.deadline,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn wishes() -> Wishes {
        Wishes {
            settle: SECOND * 2,
            storm: false,
            window: None,
            hold: SECOND,
            duration: SECOND * 100,
        }
    }

    /// The steps of a run in which everybody is live at once, with their seconds.
    fn steps(wishes: Wishes, live: bool) -> Vec<(u32, Step)> {
        let begin = Instant::now();
        let mut course = Course::new(wishes, begin);
        let mut steps = Vec::new();
        for second in 0..=200 {
            while let Some(step) = course.next(begin + SECOND * second, second > 0, live) {
                steps.push((second, step));
            }
        }
        steps
    }

    #[test]
    fn a_window_is_measured_after_everybody_has_settled_and_ends_the_run() {
        let found = steps(
            Wishes {
                window: Some(SECOND * 10),
                ..wishes()
            },
            true,
        );
        assert_eq!(
            found,
            [
                (1, Step::AllStarted),
                (3, Step::WindowBegins),
                (13, Step::WindowEnds),
                (14, Step::End)
            ]
        );
    }

    #[test]
    fn a_storm_cuts_once_and_waits_for_everybody() {
        let found = steps(
            Wishes {
                storm: true,
                window: Some(SECOND),
                ..wishes()
            },
            true,
        );
        assert_eq!(
            found,
            [
                (1, Step::AllStarted),
                (3, Step::Cut),
                (3, Step::AllBack),
                (5, Step::WindowBegins),
                (6, Step::WindowEnds),
                (7, Step::End)
            ]
        );
    }

    #[test]
    fn without_a_window_it_runs_for_its_duration_and_never_longer() {
        assert_eq!(
            steps(wishes(), true),
            [(1, Step::AllStarted), (100, Step::End)]
        );
        let bounded = Wishes {
            window: Some(SECOND * 500),
            ..wishes()
        };
        assert_eq!(steps(bounded, true).last(), Some(&(100, Step::End)));
    }

    #[test]
    fn a_run_without_a_single_publisher_ends_at_once() {
        assert_eq!(
            steps(wishes(), false),
            [(1, Step::AllStarted), (1, Step::End)]
        );
    }
}

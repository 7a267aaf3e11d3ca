//! What encoders do when they are turned away, as far as it was observed (`tests/encoders/obs`).
//!
//! A start that is refused is repeated by nobody: OBS shows a dialog, ffmpeg quits. An OBS whose
//! running stream was lost comes back by itself, and takes every refusal for one more failed try.

use std::time::Duration;

/// How OBS calls itself in its metadata.
const OBS: &str = "obs-output module";
/// OBS's first wait after a loss.
const FIRST_WAIT: Duration = Duration::from_secs(2);
/// Each of OBS's waits is about half as long again as the one before.
const GROWTH: f64 = 1.5;
/// OBS's longest wait.
const LONGEST_WAIT: Duration = Duration::from_secs(15 * 60);
/// OBS's last try, the 25th, comes about so long after the loss.
pub const GIVES_UP_AFTER: Duration = Duration::from_secs(10_723);

/// How long until `encoder`, which was turned away just now, tries again by itself; None where it
/// does not, or is not known to. Its running stream was lost `lost_for` ago.
///
/// Waits that grow by a factor add up to the next of them, so that the time since the loss says as
/// much as a count would, whichever edge was tried in between. OBS draws its factor between 1.45 and
/// 1.55: what is said here is about right and no more.
#[must_use]
pub fn next_try(encoder: &str, lost_for: Duration) -> Option<Duration> {
    if !encoder.contains(OBS) {
        return None;
    }
    let wait = (FIRST_WAIT + lost_for.mul_f64(GROWTH - 1.0)).min(LONGEST_WAIT);
    (lost_for + wait <= GIVES_UP_AFTER).then_some(wait)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OBS_29: &str = "obs-output module (libobs version 29.0.2.1-1+b1)";

    #[test]
    fn obs_comes_back_as_it_was_seen_to() {
        // Its log after a cut, seconds: each wait, from the moment of the refusal before it.
        let mut now = 2.0;
        for observed in [2.90, 4.22, 6.12, 8.89] {
            let said = next_try(OBS_29, Duration::from_secs_f64(now)).expect("it tries again");
            assert!((said.as_secs_f64() - observed).abs() < 1.0, "{said:?}");
            now += observed;
        }
    }

    #[test]
    fn obs_waits_a_quarter_of_an_hour_at_most_and_gives_up() {
        // Its 25 tries, by its own rule.
        let (mut wait, mut last) = (FIRST_WAIT, FIRST_WAIT);
        for _ in 1..25 {
            wait = wait.mul_f64(GROWTH).min(LONGEST_WAIT);
            last += wait;
        }
        assert_eq!(last.as_secs(), GIVES_UP_AFTER.as_secs());
        let hour = Duration::from_secs(3_600);
        assert_eq!(next_try(OBS_29, hour), Some(LONGEST_WAIT));
        assert_eq!(next_try(OBS_29, GIVES_UP_AFTER), None);
        assert_eq!(next_try(OBS_29, Duration::MAX / 4), None);
    }

    #[test]
    fn what_is_not_known_is_not_promised() {
        for encoder in ["Lavf61.1.100", "FMLE/3.0 (compatible; FMSc/1.0)", ""] {
            assert_eq!(next_try(encoder, Duration::from_secs(2)), None, "{encoder}");
        }
    }
}

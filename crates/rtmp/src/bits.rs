//! Reads bits, most significant first, and Exp-Golomb numbers (ITU-T H.264 §9.1).
//!
//! Every read past the end answers nothing; nothing is ever reserved from what is read.

#[derive(Debug, Clone)]
pub(crate) struct Bits<'a> {
    bytes: &'a [u8],
    /// Bits read so far.
    position: usize,
    /// Whether 00 00 03 stands for 00 00, as in H.264, HEVC and VVC units.
    escaped: bool,
}

impl<'a> Bits<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            position: 0,
            escaped: false,
        }
    }

    /// Bits of a NAL unit, with emulation prevention bytes left out.
    pub(crate) fn of_unit(bytes: &'a [u8]) -> Self {
        Self {
            escaped: true,
            ..Self::new(bytes)
        }
    }

    /// One bit.
    pub(crate) fn flag(&mut self) -> Option<bool> {
        let index = self.position / 8;
        if self.escaped && self.position.is_multiple_of(8) && self.is_escape(index) {
            self.position += 8;
            return self.flag_at(index + 1);
        }
        self.flag_at(index)
    }

    fn flag_at(&mut self, index: usize) -> Option<bool> {
        let byte = self.bytes.get(index)?;
        let bit = (byte >> (7 - self.position % 8)) & 1;
        self.position += 1;
        Some(bit == 1)
    }

    fn is_escape(&self, index: usize) -> bool {
        let before = index
            .checked_sub(2)
            .and_then(|from| self.bytes.get(from..=index));
        before == Some(&[0, 0, 3])
    }

    /// `count` bits, at most 32, as a number.
    pub(crate) fn read(&mut self, count: u32) -> Option<u32> {
        let mut number = 0u32;
        for _ in 0..count {
            number = (number << 1) | u32::from(self.flag()?);
        }
        Some(number)
    }

    /// Passes over bits.
    pub(crate) fn skip(&mut self, count: u32) -> Option<()> {
        for _ in 0..count {
            self.flag()?;
        }
        Some(())
    }

    /// An unsigned Exp-Golomb number below 2^32 - 1.
    pub(crate) fn ue(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        let suffix = self.read(zeros)?;
        Some(((1u32 << zeros) - 1).wrapping_add(suffix))
    }

    /// A signed Exp-Golomb number.
    pub(crate) fn se(&mut self) -> Option<i32> {
        let code = i64::from(self.ue()?);
        let magnitude = (code + 1) / 2;
        i32::try_from(if code % 2 == 0 { -magnitude } else { magnitude }).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_golomb_numbers_are_read() {
        // 1 | 010 | 011 | 00100 | 00101 and padding.
        let mut bits = Bits::new(&[0b1010_0110, 0b0100_0010, 0b1000_0000]);
        assert_eq!(bits.ue(), Some(0));
        assert_eq!(bits.ue(), Some(1));
        assert_eq!(bits.ue(), Some(2));
        assert_eq!(bits.ue(), Some(3));
        assert_eq!(bits.se(), Some(-2));
        assert_eq!(bits.ue(), None);
    }

    #[test]
    fn emulation_prevention_is_left_out() {
        let mut bits = Bits::of_unit(&[0, 0, 3, 1, 0, 0, 3]);
        assert_eq!(bits.read(32), Some(0x0000_0100));
        assert_eq!(bits.read(8), Some(0));
        assert_eq!(bits.read(1), None);
    }

    #[test]
    fn long_runs_of_zeros_end() {
        assert_eq!(Bits::new(&[0; 64]).ue(), None);
    }
}

//! A few bytes kept inline: an incomplete chunk header, the beginning of a message.

#[derive(Debug, Clone, Copy)]
pub(super) struct Small<const N: usize> {
    bytes: [u8; N],
    length: usize,
}

impl<const N: usize> Small<N> {
    pub(super) fn new() -> Self {
        Self {
            bytes: [0; N],
            length: 0,
        }
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.length == 0
    }

    pub(super) fn clear(&mut self) {
        self.length = 0;
    }

    /// Appends what fits and returns how many bytes that was.
    pub(super) fn fill(&mut self, from: &[u8]) -> usize {
        let room = self.bytes.get_mut(self.length..).unwrap_or_default();
        let taken = room.len().min(from.len());
        for (slot, byte) in room.iter_mut().zip(from) {
            *slot = *byte;
        }
        self.length += taken;
        taken
    }
}

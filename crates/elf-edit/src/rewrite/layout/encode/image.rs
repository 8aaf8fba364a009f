//! A range of the file that is put together before it is written.

/// Bytes of the file from an offset on.
pub(super) struct Image {
    /// Offset of the first byte.
    pub start: u64,
    pub bytes: Vec<u8>,
}

impl Image {
    /// Zeros from `start` to `end`.
    pub(super) fn new(start: u64, end: u64) -> Image {
        Image {
            start,
            bytes: vec![0; (end - start) as usize],
        }
    }

    /// Sets bytes at an offset of the file.
    pub(super) fn put(&mut self, offset: u64, bytes: &[u8]) {
        let at = (offset - self.start) as usize;
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// The bytes from one offset of the file to another.
    pub(super) fn slice(&self, from: u64, to: u64) -> Vec<u8> {
        self.bytes[(from - self.start) as usize..(to - self.start) as usize].to_vec()
    }
}

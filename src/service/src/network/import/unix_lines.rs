//! Normalizes line ends: every line, also the last, ends with one line feed, whatever system
//! wrote the file.

use std::io::{BufRead, Read, Result};

/// Reads `inner` with every CR LF and every lone CR as a line feed.
pub(super) struct UnixLines<R> {
    inner: R,
    last: u8,
}

impl<R> UnixLines<R> {
    /// `inner` must be at the beginning of a line.
    pub fn new(inner: R) -> Self {
        Self { inner, last: b'\n' }
    }
}

impl<R: BufRead> Read for UnixLines<R> {
    fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        let mut written = 0;
        // A buffer of nothing but the second half of a CR LF writes nothing.
        while written == 0 && !into.is_empty() {
            let from = self.inner.fill_buf()?;
            if from.is_empty() {
                let closed = matches!(self.last, b'\n' | b'\r');
                self.last = b'\n';
                if !closed {
                    into[0] = b'\n';
                    written = 1;
                }
                return Ok(written);
            }
            let taken = from.len().min(into.len());
            for &byte in &from[..taken] {
                if !(byte == b'\n' && self.last == b'\r') {
                    into[written] = if byte == b'\r' { b'\n' } else { byte };
                    written += 1;
                }
                self.last = byte;
            }
            self.inner.consume(taken);
        }
        Ok(written)
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    #[test]
    fn every_line_ends_with_one_line_feed_however_the_buffers_fall() {
        let cases = [
            ("", ""),
            ("a", "a\n"),
            ("a\n", "a\n"),
            ("a\r\nb", "a\nb\n"),
            ("a\rb\r", "a\nb\n"),
            ("\r\n\r\n", "\n\n"),
            ("a\n\rb\r\r\n", "a\n\nb\n\n"),
        ];
        for (given, wanted) in cases {
            for capacity in 1..5 {
                let mut text = String::new();
                let lines = BufReader::with_capacity(capacity, given.as_bytes());
                UnixLines::new(lines).read_to_string(&mut text).expect("text");
                assert_eq!(text, wanted, "{given:?} in buffers of {capacity}");
            }
        }
    }
}

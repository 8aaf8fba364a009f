//! Output of parallel work in the order of the input, whichever thread is ready first.
//!
//! Early results wait in memory up to a limit; past it, threads wait for their turn.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Bytes that may wait for their turn.
const MAX_WAITING: usize = 8 << 20;

/// Output of one piece of work.
#[derive(Debug, Default)]
pub(crate) struct Output {
    pub out: Vec<u8>,
    pub messages: Vec<u8>,
}

/// Two outputs, results and messages, that many threads write to.
pub(crate) struct Ordered<O, M> {
    state: Mutex<State<O, M>>,
    turn: Condvar,
}

struct State<O, M> {
    next: usize,
    waiting: BTreeMap<usize, Output>,
    bytes: usize,
    out: O,
    messages: M,
    error: Option<io::Error>,
}

impl<O: Write, M: Write> Ordered<O, M> {
    /// Pieces are numbered from 0.
    pub(crate) fn new(out: O, messages: M) -> Self {
        Ordered {
            state: Mutex::new(State {
                next: 0,
                waiting: BTreeMap::new(),
                bytes: 0,
                out,
                messages,
                error: None,
            }),
            turn: Condvar::new(),
        }
    }

    /// Submits piece `index`. `false` means stop: the output is closed.
    pub(crate) fn submit(&self, index: usize, piece: Output) -> bool {
        let mut state = self.lock();
        let size = piece.out.len() + piece.messages.len();
        while state.error.is_none() && index != state.next && state.bytes + size > MAX_WAITING {
            state = self
                .turn
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        state.bytes += size;
        state.waiting.insert(index, piece);
        state.write_ready();
        let going = state.error.is_none();
        drop(state);
        self.turn.notify_all();
        going
    }

    /// Flushes, and returns the first error of a write.
    pub(crate) fn finish(self) -> io::Result<()> {
        let state = self.state.into_inner();
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        if let Some(error) = state.error {
            return Err(error);
        }
        state.out.flush()?;
        state.messages.flush()
    }

    fn lock(&self) -> MutexGuard<'_, State<O, M>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<O: Write, M: Write> State<O, M> {
    fn write_ready(&mut self) {
        while self.error.is_none()
            && let Some(piece) = self.waiting.remove(&self.next)
        {
            self.bytes -= piece.out.len() + piece.messages.len();
            self.next += 1;
            if let Err(error) = self.write(&piece) {
                self.error = Some(error);
            }
        }
    }

    fn write(&mut self, piece: &Output) -> io::Result<()> {
        self.out.write_all(&piece.out)?;
        if !piece.messages.is_empty() {
            // On one terminal, messages appear in the order of the files.
            self.out.flush()?;
            self.messages.write_all(&piece.messages)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_come_out_in_order_and_large_ones_wait() {
        let mut out = Vec::new();
        let ordered = Ordered::new(&mut out, io::sink());
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let ordered = &ordered;
                scope.spawn(move || {
                    for i in (0..8).map(|i| i * 4 + thread) {
                        let piece = Output {
                            out: vec![i as u8; 1 << 20],
                            messages: Vec::new(),
                        };
                        assert!(ordered.submit(i, piece));
                    }
                });
            }
        });
        ordered.finish().unwrap();
        let order: Vec<u8> = out.chunks(1 << 20).map(|chunk| chunk[0]).collect();
        assert_eq!(order, (0..32).collect::<Vec<u8>>());
    }
}

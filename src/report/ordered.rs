//! Output of parallel work in the order of the input, whichever thread is ready first.
//!
//! Early results wait in memory up to a limit; past it, threads wait for their turn.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::mem;
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
    state: Mutex<State>,
    /// Signals that `next` has moved, or the end.
    moved: Condvar,
    sink: Mutex<Sink<O, M>>,
}

struct State {
    next: usize,
    waiting: BTreeMap<usize, Output>,
    bytes: usize,
    /// A thread is writing; it also takes what becomes ready meanwhile.
    writing: bool,
    /// Threads that wait for `moved`: waking none is a system call, too.
    blocked: usize,
    closed: bool,
}

struct Sink<O, M> {
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
                writing: false,
                blocked: 0,
                closed: false,
            }),
            moved: Condvar::new(),
            sink: Mutex::new(Sink {
                out,
                messages,
                error: None,
            }),
        }
    }

    /// Submits piece `index`. `false` means stop: the output is closed.
    pub(crate) fn submit(&self, index: usize, piece: Output) -> bool {
        let mut state = self.lock();
        let size = piece.size();
        while !state.closed && index != state.next && state.bytes + size > MAX_WAITING {
            state.blocked += 1;
            let moved = self.moved.wait(state);
            state = moved.unwrap_or_else(PoisonError::into_inner);
            state.blocked -= 1;
        }
        state.bytes += size;
        state.waiting.insert(index, piece);
        if mem::replace(&mut state.writing, true) {
            return !state.closed;
        }
        loop {
            let ready = state.take_ready();
            if ready.is_empty() || state.closed {
                state.writing = false;
                return !state.closed;
            }
            let is_awaited = state.blocked > 0;
            drop(state);
            if is_awaited {
                self.moved.notify_all();
            }
            let written = self.write(&ready);
            state = self.lock();
            if !written {
                state.closed = true;
                self.moved.notify_all();
            }
        }
    }

    /// Flushes, and returns the first error of a write.
    pub(crate) fn finish(self) -> io::Result<()> {
        let sink = self.sink.into_inner();
        let mut sink = sink.unwrap_or_else(PoisonError::into_inner);
        if let Some(error) = sink.error {
            return Err(error);
        }
        sink.out.flush()?;
        sink.messages.flush()
    }

    /// Returns whether to go on.
    fn write(&self, ready: &[Output]) -> bool {
        let mut sink = self.sink.lock().unwrap_or_else(PoisonError::into_inner);
        let result = ready.iter().try_for_each(|piece| sink.write(piece));
        sink.error = result.err();
        sink.error.is_none()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Output {
    fn size(&self) -> usize {
        self.out.len() + self.messages.len()
    }
}

impl State {
    /// The pieces whose turn it is.
    fn take_ready(&mut self) -> Vec<Output> {
        let mut ready = Vec::new();
        while let Some(piece) = self.waiting.remove(&self.next) {
            self.bytes -= piece.size();
            self.next += 1;
            ready.push(piece);
        }
        ready
    }
}

impl<O: Write, M: Write> Sink<O, M> {
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

//! Work on many items on the threads of the current pool. Threads take one item at a time, since a
//! library of half a gigabyte takes longer than a thousand small ones.

use std::io;
use std::mem;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

/// The results in the order of `items`. The heaviest items go first, so that none is left at the
/// end.
pub(crate) fn map<T: Sync, U: Send + Sync>(
    items: &[T],
    weight: impl Fn(&T) -> u64,
    work: impl Fn(&T) -> U + Sync,
) -> Vec<U> {
    let results: Vec<OnceLock<U>> = items.iter().map(|_| OnceLock::new()).collect();
    let work = |at: usize| {
        // Each place is filled once.
        let _ = results[at].set(work(&items[at]));
    };
    each(items.len(), |at| weight(&items[at]), work);
    let results = results.into_iter();
    results.filter_map(OnceLock::into_inner).collect()
}

/// Does the work of each place below `count`, the heaviest first.
pub(crate) fn each(count: usize, weight: impl Fn(usize) -> u64, work: impl Fn(usize) + Sync) {
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by_cached_key(|&at| std::cmp::Reverse(weight(at)));
    let next = AtomicUsize::new(0);
    let take = || {
        while let Some(&at) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
            work(at);
        }
    };
    match count {
        // Waking a pool costs more than it gains here.
        0 | 1 => take(),
        _ => drop(rayon::broadcast(|_| take())),
    }
}

/// Items that may be done before the one whose turn it is.
const WINDOW: usize = 1024;

/// Gives the results to `emit`, in the order of `items`, while the work goes on. Ends at the first
/// error of `emit`.
pub(crate) fn stream<T: Sync, U: Send>(
    items: &[T],
    work: impl Fn(&T) -> U + Sync,
    emit: &mut (dyn FnMut(U) -> io::Result<()> + Send),
) -> io::Result<()> {
    let stream = Stream {
        queue: Mutex::new(Queue {
            ready: (0..WINDOW).map(|_| None).collect(),
            turn: 0,
            emitting: false,
            waiting: 0,
            ended: false,
        }),
        moved: Condvar::new(),
        emit: Mutex::new((emit, Ok(()))),
    };
    let next = AtomicUsize::new(0);
    rayon::broadcast(|_| {
        let _end = EndOnPanic(&stream);
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(at) else {
                break;
            };
            if !stream.wait_for(at) {
                break;
            }
            stream.submit(at, work(item));
        }
    });
    let emit = stream.emit.into_inner();
    emit.unwrap_or_else(PoisonError::into_inner).1
}

type Emit<'a, U> = &'a mut (dyn FnMut(U) -> io::Result<()> + Send);

struct Stream<'a, U> {
    queue: Mutex<Queue<U>>,
    /// Signals that `turn` has moved, or the end.
    moved: Condvar,
    emit: Mutex<(Emit<'a, U>, io::Result<()>)>,
}

struct Queue<U> {
    /// Results by their index modulo `WINDOW`.
    ready: Vec<Option<U>>,
    /// Index of the next result to emit.
    turn: usize,
    /// A thread is emitting; it also takes what becomes ready meanwhile.
    emitting: bool,
    /// Threads that wait for `moved`: waking none is a system call, too.
    waiting: usize,
    ended: bool,
}

impl<U> Stream<'_, U> {
    fn lock(&self) -> MutexGuard<'_, Queue<U>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until there is room for the result; false at the end.
    fn wait_for(&self, at: usize) -> bool {
        let mut queue = self.lock();
        while !queue.ended && at >= queue.turn + WINDOW {
            queue.waiting += 1;
            let moved = self.moved.wait(queue);
            queue = moved.unwrap_or_else(PoisonError::into_inner);
            queue.waiting -= 1;
        }
        !queue.ended
    }

    /// Notes a result, and emits all whose turn it is, unless another thread does.
    fn submit(&self, at: usize, result: U) {
        let mut queue = self.lock();
        queue.ready[at % WINDOW] = Some(result);
        if mem::replace(&mut queue.emitting, true) {
            return;
        }
        loop {
            let mut run = Vec::new();
            while let turn = queue.turn % WINDOW
                && let Some(result) = queue.ready[turn].take()
            {
                run.push(result);
                queue.turn += 1;
            }
            if run.is_empty() || queue.ended {
                queue.emitting = false;
                return;
            }
            let is_awaited = queue.waiting > 0;
            drop(queue);
            if is_awaited {
                self.moved.notify_all();
            }
            let emitted = self.emit_run(run);
            queue = self.lock();
            if !emitted {
                queue.ended = true;
                self.moved.notify_all();
            }
        }
    }

    /// Returns whether to go on.
    fn emit_run(&self, run: Vec<U>) -> bool {
        let mut lock = self.emit.lock().unwrap_or_else(PoisonError::into_inner);
        let (emit, error) = &mut *lock;
        *error = run.into_iter().try_for_each(emit);
        error.is_ok()
    }
}

/// Lets no thread wait for the result of one that panicked.
struct EndOnPanic<'a, 'b, U>(&'a Stream<'b, U>);

impl<U> Drop for EndOnPanic<'_, '_, U> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.lock().ended = true;
            self.0.moved.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn pool() -> rayon::ThreadPool {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(4);
        pool.build().unwrap()
    }

    #[test]
    fn results_are_in_the_order_of_items_whichever_is_ready_first() {
        let items: Vec<usize> = (0..3 * WINDOW).collect();
        let work = |&at: &usize| {
            if at % 700 == 0 {
                std::thread::sleep(Duration::from_millis(20));
            }
            at
        };
        let mut streamed = Vec::new();
        let mut emit = |at| {
            streamed.push(at);
            Ok(())
        };
        let result = pool().install(|| stream(&items, work, &mut emit));
        result.unwrap();
        assert_eq!(streamed, items);
        let mapped = pool().install(|| map(&items, |&at| at as u64, work));
        assert_eq!(mapped, items);
    }

    #[test]
    fn a_closed_output_and_a_panic_end_the_work() {
        let items: Vec<usize> = (0..10 * WINDOW).collect();
        let done = AtomicUsize::new(0);
        let work = |&at: &usize| {
            done.fetch_add(1, Ordering::Relaxed);
            at
        };
        let mut closed = |at| match at {
            100 => Err(io::ErrorKind::BrokenPipe.into()),
            _ => Ok(()),
        };
        let result = pool().install(|| stream(&items, work, &mut closed));
        assert_eq!(result.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        assert!(done.into_inner() <= 101 + WINDOW + 4);
        let panics = |&at: &usize| assert_ne!(at, 5, "this panic is part of the test");
        let run = || pool().install(|| stream(&items, panics, &mut |()| Ok(())));
        assert!(std::panic::catch_unwind(run).is_err());
    }
}

//! Child processes that a hanging driver can't make us wait for.

use std::io::Read;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// A machine with many GPUs and no persistence daemon takes seconds.
const PATIENCE: Duration = Duration::from_secs(20);
/// Limit for each stream, in bytes; real ones are far shorter.
const MOST: u64 = 1 << 20;

pub(super) struct Done {
    pub status: ExitStatus,
    pub out: Vec<u8>,
    pub err: Vec<u8>,
}

/// Why a child gave no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("{}", elf_edit::reason(.0))]
    Start(#[from] std::io::Error),
    #[error("no answer within {} s", PATIENCE.as_secs())]
    Hangs,
}

/// Runs a program with no input. It is killed when it takes too long.
pub(super) fn run(command: &mut Command) -> Result<Done, Failure> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let out = reader(child.stdout.take());
    let err = reader(child.stderr.take());
    let status = wait(&mut child)?;
    Ok(Done {
        status,
        out: out.join().unwrap_or_default(),
        err: err.join().unwrap_or_default(),
    })
}

fn reader<R: Read + Send + 'static>(stream: Option<R>) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = stream.map(|stream| stream.take(MOST).read_to_end(&mut bytes));
        bytes
    })
}

fn wait(child: &mut Child) -> Result<ExitStatus, Failure> {
    let end = Instant::now() + PATIENCE;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status),
            Ok(None) if Instant::now() < end => thread::sleep(Duration::from_millis(10)),
            Ok(None) | Err(_) => {
                // Its own children may keep the pipes open, so don't wait for their output.
                let _ = child.kill();
                let _ = child.wait();
                return Err(Failure::Hangs);
            }
        }
    }
}

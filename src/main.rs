//! Entry point: runs the applet and turns its outcome into an exit status.

use std::process::ExitCode;

fn main() -> ExitCode {
    cuda_fixup::cli::main(std::env::args_os().collect())
}

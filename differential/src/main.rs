//! patchelf 0.18 with those of its options that the Rust bindings have: `patchelf-0-18 OPTION
//! VALUE… FILE`, one edit after the other. Exit status 0 or 1, as patchelf's.

use patchelf::PatchElf;
use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let Some((file, mut words)) = words.split_last() else {
        eprintln!("usage: patchelf-0-18 OPTION VALUE... FILE");
        return ExitCode::FAILURE;
    };
    while let [option, after @ ..] = words {
        let edit = PatchElf::config().input(file);
        let (edit, rest) = match (option.as_str(), after) {
            ("--remove-rpath", rest) => (edit.remove_rpath(), rest),
            ("--set-rpath", [value, rest @ ..]) => (edit.set_set_rpath(value), rest),
            ("--add-rpath", [value, rest @ ..]) => (edit.set_add_rpath(value), rest),
            ("--set-interpreter", [value, rest @ ..]) => (edit.set_interpreter(value), rest),
            ("--set-soname", [value, rest @ ..]) => (edit.set_soname(value), rest),
            ("--add-needed", [value, rest @ ..]) => (edit.set_add_needed(value), rest),
            ("--remove-needed", [value, rest @ ..]) => (edit.set_remove_needed(value), rest),
            ("--replace-needed", [from, to, rest @ ..]) => {
                (edit.set_replace_needed(from, to), rest)
            }
            _ => {
                eprintln!("patchelf-0-18: {option}: unknown, or without its value");
                return ExitCode::FAILURE;
            }
        };
        if !edit.patch() {
            return ExitCode::FAILURE;
        }
        words = rest;
    }
    ExitCode::SUCCESS
}

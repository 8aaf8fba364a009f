//! A file under test: how it is rewritten, run, loaded and looked at.

use crate::at_phdr;
use crate::torture::edits::Meaning;
use crate::torture::kinds::{Kind, Use};
use crate::torture::process::run;
use crate::torture::read;
use elf_edit::{Edit, ElfInfo, FileReader, RewriteOptions, Rewritten};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::process::Command;

/// The rewriter under test. An address of the program headers that a kernel before 5.18 gets wrong
/// is an error.
pub fn rewrite(file: &Path, edits: &[Edit]) -> Result<Rewritten, String> {
    let read = |reader: &FileReader| ElfInfo::read(reader).map_err(|error| error.to_string());
    let reader = FileReader::new(File::open(file).unwrap()).unwrap();
    let before = read(&reader)?;
    let options = RewriteOptions::default();
    let done = elf_edit::rewrite(&[file.to_owned()], &reader, &before, edits, &options)
        .map_err(|error| error.to_string())?;
    let reader = FileReader::new(File::open(file).unwrap()).unwrap();
    at_phdr::check_rewritten(&before, &read(&reader)?, done.strip_safe)?;
    Ok(done)
}

/// What a file says, does, and has others say of it.
pub struct Seen {
    pub meaning: Meaning,
    /// How it ended when it was run or loaded; empty: as it should.
    pub failure: String,
    /// What eu-elflint and readelf complain of, without numbers, and how often.
    pub complaints: BTreeMap<String, usize>,
    pub segments: usize,
    pub size: u64,
}

/// Looks at a file from all sides.
pub fn look(kind: &Kind, file: &Path) -> Seen {
    let mut complaints = BTreeMap::new();
    let lint = run(Command::new("eu-elflint").arg("--gnu-ld").arg(file));
    for line in lint.stdout.lines().chain(lint.stderr.lines()) {
        // mold 2.37 says that this TLS symbol is in .interp, wherever that is.
        if line != "No errors" && !line.contains("(_TLS_MODULE_BASE_)") {
            *complaints
                .entry(format!("eu-elflint: {}", plain(line)))
                .or_default() += 1;
        }
    }
    let all = run(Command::new("readelf").arg("-aW").arg(file));
    let suspicious = |line: &&str| {
        ["Warning", "Error", "<corrupt", "<no-strings>", "nvalid"]
            .iter()
            .any(|word| line.contains(word))
    };
    let printed = all.stdout.lines().filter(suspicious);
    for line in all.stderr.lines().chain(printed) {
        *complaints
            .entry(format!("readelf: {}", plain(line)))
            .or_default() += 1;
    }

    let values = |before: &str| -> Vec<String> {
        let lines = all.stdout.lines();
        let rest = lines.filter_map(|line| line.split_once(before).map(|(_, rest)| rest));
        rest.filter_map(|rest| rest.split_once(']'))
            .map(|(value, _)| value.to_owned())
            .collect()
    };
    let mut meaning = Meaning {
        runpath: values("Library runpath: [").pop(),
        rpath: values("Library rpath: [").pop(),
        needed: values("Shared library: ["),
        soname: values("Library soname: [").pop(),
        interpreter: values("program interpreter: ").pop(),
        prints: Vec::new(),
    };
    let (mut prints, mut failure) = prints(kind, file, &meaning);
    if !kind.target.has_loader {
        match read::relocations(file) {
            Ok(lines) => prints.extend(lines),
            Err(why) => failure.push_str(&why),
        }
        prints.sort();
    }
    meaning.prints = prints;
    let headers = all.stdout.split("Number of program headers:").nth(1);
    Seen {
        meaning,
        failure,
        complaints,
        segments: headers
            .and_then(|rest| rest.split_whitespace().next())
            .and_then(|number| number.parse().ok())
            .unwrap_or(0),
        size: file.metadata().unwrap().len(),
    }
}

/// What a file says to the loader, and does. Looks at no section header: between two writes those
/// may be behind.
pub fn look_as_loader(kind: &Kind, file: &Path) -> (Meaning, String) {
    let reader = FileReader::new(File::open(file).unwrap()).unwrap();
    let info = match ElfInfo::read(&reader) {
        Ok(info) => info,
        Err(error) => return (Meaning::default(), error.to_string()),
    };
    let text = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
    let dynamic = info.dynamic.as_ref();
    let mut meaning = Meaning {
        runpath: dynamic.and_then(|d| d.runpath.as_ref()).map(text),
        rpath: dynamic.and_then(|d| d.rpath.as_ref()).map(text),
        needed: info.needed().iter().map(text).collect(),
        soname: dynamic.and_then(|d| d.soname.as_ref()).map(text),
        interpreter: info.interpreter.as_ref().map(text),
        prints: Vec::new(),
    };
    let (prints, failure) = prints(kind, file, &meaning);
    meaning.prints = prints;
    (meaning, failure)
}

/// What the file prints when it is run or loaded, and how it failed; empty: it did not.
fn prints(kind: &Kind, file: &Path, meaning: &Meaning) -> (Vec<String>, String) {
    if !kind.target.has_loader {
        return match read::as_loader(file, meaning) {
            Ok(mut lines) => {
                lines.sort();
                (lines, String::new())
            }
            Err(why) => (Vec::new(), why),
        };
    }
    // Only a file without a RUNPATH gets the directory of its libraries.
    let with_path = meaning.runpath.is_none() && meaning.rpath.is_none();
    let ran = match kind.used_as {
        Use::Program => run(&mut kind.target.command(file, with_path)),
        Use::Library => {
            let load = kind.target.dir.join("load");
            run(kind.target.command(&load, with_path).arg(file))
        }
    };
    let mut lines: Vec<String> = ran.stdout.lines().map(str::to_owned).collect();
    lines.sort();
    let failure = if ran.ok {
        String::new()
    } else {
        format!("{}: {}{}", ran.status, ran.stdout, ran.stderr)
    };
    (lines, failure)
}

/// A complaint without what moves: numbers, and the file's own name.
fn plain(line: &str) -> String {
    let mut out = String::new();
    let mut characters = line.chars().peekable();
    let mut before = ' ';
    while let Some(c) = characters.next() {
        let starts = c.is_ascii_digit() && !before.is_ascii_alphanumeric() && before != '_';
        if starts {
            while characters.peek().is_some_and(char::is_ascii_hexdigit)
                || characters.peek() == Some(&'x')
            {
                characters.next();
            }
            out.push('N');
            before = 'N';
        } else {
            out.push(c);
            before = c;
        }
    }
    out
}

/// The debugger's output for the kind's symbol: its line, and for a program that runs here, the
/// breakpoint.
pub fn debug(kind: &Kind, file: &Path) -> Vec<String> {
    let symbol = kind.symbol;
    let mut gdb = Command::new("gdb");
    gdb.args(["-batch", "-nx", "-ex", "set confirm off"])
        .args(["-ex", &format!("info line {symbol}")]);
    if kind.used_as == Use::Program && kind.target.is_native() {
        let path = kind.target.library_path(true);
        gdb.args(["-ex", &format!("set environment LD_LIBRARY_PATH {path}")])
            .args(["-ex", &format!("break {symbol}")])
            .args(["-ex", "run", "-ex", "kill"]);
    }
    let ran = run(gdb.arg(file));
    let telling = ["Line ", "Breakpoint 1, "];
    let lines = ran.stdout.lines();
    lines
        .filter_map(|line| telling.iter().find(|start| line.starts_with(**start)))
        .map(|start| (*start).to_owned())
        .collect()
}

/// Whether the file contains the bytes. Of a file with a large hole, both ends are read.
pub fn holds(file: &Path, needle: &str) -> bool {
    const END: u64 = 8 << 20;
    let mut file = File::open(file).unwrap();
    let size = file.metadata().unwrap().len();
    let mut bytes = Vec::new();
    (&mut file).take(END).read_to_end(&mut bytes).unwrap();
    if size > END {
        file.seek(SeekFrom::Start(END.max(size - END))).unwrap();
        file.read_to_end(&mut bytes).unwrap();
    }
    memchr::memmem::find(&bytes, needle.as_bytes()).is_some()
}

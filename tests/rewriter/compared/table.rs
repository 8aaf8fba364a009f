//! The table: how its cells are written, and read back from the document.

use crate::compared::rewriter::{REWRITERS, Rewriter};
use rayon::prelude::*;
use std::fmt;

/// A cell. Of numbers, less is better.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    /// So many faults of so many tries.
    Faults(u64, u64),
    /// Bytes.
    Bytes(i64),
    /// The observation.
    Words(String),
}

impl fmt::Display for Cell {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cell::Faults(0, tries) => write!(out, "0 of {tries}"),
            Cell::Faults(faults, tries) => write!(out, "**{faults}** of {tries}"),
            Cell::Bytes(bytes) => {
                let digits = bytes.unsigned_abs().to_string();
                let mut text = String::new();
                for (index, digit) in digits.chars().enumerate() {
                    if index > 0 && (digits.len() - index).is_multiple_of(3) {
                        text.push(',');
                    }
                    text.push(digit);
                }
                write!(out, "{}{text} B", if *bytes < 0 { "-" } else { "" })
            }
            Cell::Words(words) => out.write_str(words),
        }
    }
}

impl Cell {
    /// Reads what `Display` wrote.
    fn parse(text: &str) -> Cell {
        let plain = text.replace(['*', ','], "");
        if let Some((faults, tries)) = plain.split_once(" of ")
            && let (Ok(faults), Ok(tries)) = (faults.parse(), tries.parse())
        {
            return Cell::Faults(faults, tries);
        }
        let bytes = plain.strip_suffix(" B").and_then(|text| text.parse().ok());
        bytes.map_or_else(|| Cell::Words(text.to_owned()), Cell::Bytes)
    }

    /// Whether this is worse than what the document says. Another compiler makes files of which
    /// a few bytes more move.
    fn is_worse_than(&self, said: &Cell) -> bool {
        match (self, said) {
            (Cell::Faults(faults, tries), Cell::Faults(said, of)) => faults * of > said * tries,
            (Cell::Bytes(bytes), Cell::Bytes(said)) => *bytes > said + said.abs() / 20 + 64,
            (now, said) => now != said,
        }
    }
}

/// A line: the question, and the results in the order of `REWRITERS`.
#[derive(Clone, Debug)]
pub struct Row {
    pub what: String,
    pub cells: Vec<Cell>,
}

/// One part of the document.
#[derive(Clone, Debug)]
pub struct Part {
    pub title: String,
    pub rows: Vec<Row>,
}

impl Part {
    /// What `column` finds of each rewriter; `ours_alone`: the other columns stay empty.
    pub fn measured(
        title: &str,
        ours_alone: bool,
        column: impl Fn(Rewriter) -> Vec<(String, Cell)> + Sync,
    ) -> Part {
        let rewriters = &REWRITERS[..if ours_alone { 1 } else { REWRITERS.len() }];
        let columns: Vec<Vec<(String, Cell)>> = rewriters
            .par_iter()
            .map(|rewriter| column(*rewriter))
            .collect();
        let rows = columns[0].iter().enumerate().map(|(index, (what, _))| Row {
            what: what.clone(),
            cells: columns
                .iter()
                .map(|column| column[index].1.clone())
                .collect(),
        });
        Part {
            title: title.to_owned(),
            rows: rows.collect(),
        }
    }

    /// As Markdown.
    pub fn markdown(&self) -> String {
        let names = REWRITERS.map(|rewriter| rewriter.name());
        let mut text = format!("## {}\n\n| | {} |\n", self.title, names.join(" | "));
        text += "|---|---|---|---|---|\n";
        for row in &self.rows {
            let cells: Vec<String> = row.cells.iter().map(Cell::to_string).collect();
            text += &format!("| {} | {} |\n", row.what, cells.join(" | "));
        }
        text
    }

    /// The rows in which a peer has fewer faults or bytes than we, in its words.
    pub fn won_by_peers(&self) -> Vec<String> {
        let mut won = Vec::new();
        for row in &self.rows {
            let (ours, peers) = row.cells.split_first().unwrap();
            for (peer, rewriter) in peers.iter().zip(&REWRITERS[1..]) {
                let better = match (ours, peer) {
                    (_, Cell::Faults(_, 0)) => false,
                    (Cell::Faults(..), Cell::Faults(..)) => ours.is_worse_than(peer),
                    (Cell::Bytes(ours), Cell::Bytes(peer)) => ours > peer,
                    _ => false,
                };
                if better {
                    let (what, name) = (&row.what, rewriter.name());
                    won.push(format!(
                        "{}: {what}: {name} {peer}, ours {ours}",
                        self.title
                    ));
                }
            }
        }
        won
    }

    /// Where our column is worse than in the document, which must have each row.
    pub fn worse_than(&self, document: &str) -> Vec<String> {
        let title = format!("## {}\n", self.title);
        let Some((_, section)) = document.split_once(&title) else {
            return vec![format!("no part {:?}", self.title)];
        };
        let section = section.split("\n## ").next().unwrap();
        let mut worse = Vec::new();
        for row in &self.rows {
            let start = format!("| {} | ", row.what);
            let Some(line) = section.lines().find(|line| line.starts_with(&start)) else {
                worse.push(format!("{}: no row {:?}", self.title, row.what));
                continue;
            };
            let cells: Vec<&str> = line[start.len()..]
                .trim_end_matches(" |")
                .split(" | ")
                .collect();
            if cells.len() != REWRITERS.len() {
                worse.push(format!("not {} columns: {line}", REWRITERS.len() + 1));
                continue;
            }
            let (now, said) = (&row.cells[0], Cell::parse(cells[0]));
            if now.is_worse_than(&said) {
                worse.push(format!("{}: now {now}, the document says {said}", row.what));
            }
        }
        worse
    }
}

#[test]
fn cells_read_back_as_they_were_written() {
    for cell in [
        Cell::Faults(0, 812),
        Cell::Faults(3, 1812),
        Cell::Bytes(21_045_123),
        Cell::Bytes(-123_456),
        Cell::Bytes(12),
        Cell::Words("refused".to_owned()),
    ] {
        assert_eq!(Cell::parse(&cell.to_string()), cell);
    }
    assert!(Cell::Faults(1, 10).is_worse_than(&Cell::Faults(1, 20)));
    assert!(!Cell::Faults(1, 20).is_worse_than(&Cell::Faults(1, 10)));
    assert!(Cell::Faults(1, 10).is_worse_than(&Cell::Faults(0, 9)));
    assert!(Cell::Bytes(2000).is_worse_than(&Cell::Bytes(1500)));
    assert!(Cell::Words("altered".to_owned()).is_worse_than(&Cell::Words("refused".to_owned())));
}

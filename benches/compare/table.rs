//! From samples to lines of a table: medians, and ratios to this project's run of the same round.

use super::measure::Sample;
use std::fmt::Write;
use std::time::Duration;

/// One tool's runs, one a round.
pub struct Line {
    /// Which tool, doing what.
    pub tool: String,
    /// In the order of rounds.
    pub samples: Vec<Sample>,
    /// From a run of its own.
    pub calls: Option<u64>,
}

/// Measurements for one corpus and one question.
pub struct Contest {
    /// The question and the corpus.
    pub title: String,
    /// This project's line first: the others are compared with it.
    pub lines: Vec<Line>,
    /// What a reader must know, one a line.
    pub remarks: Vec<String>,
}

/// The least, the middle and the greatest.
pub fn spread(mut values: Vec<f64>) -> (f64, f64, f64) {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    let at = |index: usize| values.get(index).copied().unwrap_or(f64::NAN);
    // Of an even number the mean of both in the middle.
    let middle = (at(last / 2) + at(last.div_ceil(2))) / 2.0;
    (at(0), middle, at(last))
}

fn seconds(time: Duration) -> f64 {
    time.as_secs_f64()
}

/// A time as one would say it.
pub fn time(seconds: f64) -> String {
    match seconds {
        s if s >= 10.0 => format!("{s:.1} s"),
        s if s >= 1.0 => format!("{s:.2} s"),
        s if s >= 0.01 => format!("{:.0} ms", s * 1e3),
        s => format!("{:.1} ms", s * 1e3),
    }
}

/// Bytes as one would say them.
pub fn bytes(count: f64) -> String {
    match count {
        b if b >= 1e9 => format!("{:.1} GB", b / 1e9),
        b if b >= 1e7 => format!("{:.0} MB", b / 1e6),
        b if b >= 1e6 => format!("{:.1} MB", b / 1e6),
        b if b >= 1e3 => format!("{:.0} KB", b / 1e3),
        b => format!("{b:.0} B"),
    }
}

/// A ratio with as many digits as it deserves.
pub fn ratio(value: f64) -> String {
    match value {
        r if r >= 100.0 => format!("{r:.0}"),
        r if r >= 10.0 => format!("{r:.1}"),
        r => format!("{r:.2}"),
    }
}

impl Line {
    /// The middle of what `of` says of each sample.
    pub fn median(&self, of: impl Fn(&Sample) -> f64) -> f64 {
        spread(self.samples.iter().map(of).collect()).1
    }

    /// Wall times over those of `base` in the same round.
    pub fn ratios(&self, base: &Line) -> (f64, f64, f64) {
        let pairs = self.samples.iter().zip(&base.samples);
        spread(
            pairs
                .map(|(mine, its)| seconds(mine.wall) / seconds(its.wall))
                .collect(),
        )
    }
}

impl Contest {
    /// As a Markdown table.
    pub fn markdown(&self) -> String {
        let mut out = format!(
            "### {}\n\n| tool | wall | ratio: min, **median**, max | user + sys | peak memory | read | written | system calls |\n|---|---|---|---|---|---|---|---|\n",
            self.title
        );
        let mut remarks = self.remarks.clone();
        for line in &self.lines {
            let (least, middle, most) = match self.lines.first() {
                Some(base) => line.ratios(base),
                None => continue,
            };
            let calls = line.calls.map_or_else(|| "not counted".to_owned(), grouped);
            // Writing to a String cannot fail.
            let _ = writeln!(
                out,
                "| {} | {} | {}, **{}**, {} | {} | {} | {} | {} | {calls} |",
                line.tool,
                time(line.median(|s| seconds(s.wall))),
                ratio(least),
                ratio(middle),
                ratio(most),
                time(line.median(|s| seconds(s.cpu))),
                bytes(line.median(|s| s.peak as f64)),
                bytes(line.median(|s| s.read as f64)),
                bytes(line.median(|s| s.written as f64)),
            );
            if let Some(complaint) = line.samples.iter().find_map(|s| s.complaint.as_ref()) {
                remarks.push(format!("{}: {complaint}", line.tool));
            }
        }
        for remark in remarks {
            let _ = write!(out, "\n{remark}\n");
        }
        out
    }
}

/// Digits in groups of three.
pub fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

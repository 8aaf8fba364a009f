//! Device code of many files by architecture, with bars.

use super::bytes::bytes;
use super::schema;
use crate::cuda::Capability;
use crate::cuda::device_code::{ArchBytes, ByArch};
use crate::cuda::fatbin::ImageKind;
use crate::escape::{counted, shown};
use crate::terminal::Paint;
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::Path;

/// Columns of the longest bar, and of the longest on a narrow terminal.
const BAR: usize = 40;
const SHORT_BAR: usize = 4;
/// Columns of a row before its bar.
const BEFORE_BAR: usize = 43;

/// The code of one file.
pub(crate) type FileCode<'a> = (&'a Path, &'a ByArch);

/// The name of a row.
pub(crate) fn arch(kind: ImageKind, capability: Option<Capability>) -> String {
    let name = capability.map(|capability| kind.arch_name(capability));
    name.unwrap_or_else(|| "-".to_owned())
}

/// The sum of all files.
fn total(files: &[FileCode<'_>]) -> ByArch {
    let mut total = ByArch::new();
    for (_, code) in files {
        for (key, sum) in *code {
            let all: &mut ArchBytes = total.entry(*key).or_default();
            all.bytes = all.bytes.saturating_add(sum.bytes);
            all.images += sum.images;
        }
    }
    total
}

/// A row with a bar for each kind and architecture, then the files with the most code. Rows are as
/// long as `columns` allows.
pub(crate) fn human(files: &[FileCode<'_>], paint: Paint, columns: Option<usize>) -> String {
    let total = total(files);
    let all: u64 = total.values().map(|sum| sum.bytes).sum();
    let most = total.values().map(|sum| sum.bytes).max().unwrap_or(0);
    let mut out = String::new();
    // Writing to a String cannot fail.
    if total.is_empty() {
        out.push_str("no device code\n");
        return out;
    }
    let behind = total.iter().map(|(key, sum)| {
        let with = files.iter().filter(|(_, code)| code.contains_key(key));
        of_files(with.count(), sum.images).len()
    });
    let around = BEFORE_BAR + 2 + behind.max().unwrap_or(0);
    let fits = |columns: usize| columns.saturating_sub(around).clamp(SHORT_BAR, BAR);
    let longest = columns.map_or(BAR, fits);
    for ((kind, capability), sum) in &total {
        let with = files
            .iter()
            .filter(|(_, code)| code.contains_key(&(*kind, *capability)));
        let _ = writeln!(
            out,
            "{:<14} {:<7} {:>10} {:>5.1} %  {}  {}",
            arch(*kind, *capability),
            kind.word(),
            bytes(sum.bytes),
            percent(sum.bytes, all),
            paint.good(bar(sum.bytes, most, longest)),
            paint.faint(of_files(with.count(), sum.images)),
        );
    }
    let _ = writeln!(out, "{:<14} {:<7} {:>10}", "all", "", bytes(all));
    let mut by_size: Vec<(u64, &Path)> = files
        .iter()
        .map(|(path, code)| (code.values().map(|sum| sum.bytes).sum(), *path))
        .filter(|(bytes, _)| *bytes > 0)
        .collect();
    by_size.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(b.1)));
    if files.len() > 1 {
        out.push('\n');
        for (size, path) in by_size {
            let (size, share) = (bytes(size), percent(size, all));
            let _ = writeln!(out, "{size:>10} {share:>5.1} %  {}", shown(path));
        }
    }
    out
}

fn of_files(files: usize, images: usize) -> String {
    format!(
        "{} in {}",
        counted(images, "image", "images"),
        counted(files, "file", "files")
    )
}

fn percent(part: u64, all: u64) -> f64 {
    100.0 * part as f64 / all.max(1) as f64
}

/// In halves of a column, as wide as the longest one.
fn bar(part: u64, most: u64, longest: usize) -> String {
    let halves = u128::from(part) * (longest as u128 * 2) / u128::from(most.max(1));
    let halves = usize::try_from(halves).unwrap_or(0);
    let mut bar = "█".repeat(halves / 2);
    if halves % 2 == 1 || (halves == 0 && part > 0) {
        bar.push('▌');
    }
    let blank = longest.saturating_sub(bar.chars().count());
    bar + &" ".repeat(blank)
}

/// One object for each file, then one with the sums.
pub(crate) fn json(files: &[FileCode<'_>]) -> Vec<Value> {
    let one = |path: Option<&Path>, code: &ByArch| {
        json!({
            "schema": schema::DEVICE_CODE,
            "path": path.map(|path| shown(path).to_string()),
            "by_arch": rows(code),
        })
    };
    let all = total(files);
    let each = files.iter().map(|(path, code)| one(Some(path), code));
    each.chain([one(None, &all)]).collect()
}

fn rows(code: &ByArch) -> Vec<Value> {
    code.iter()
        .map(|((kind, capability), sum)| {
            json!({
                "arch": capability.map(|capability| kind.arch_name(capability)),
                "kind": kind.word(),
                "bytes": sum.bytes,
                "images": sum.images,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_fit_the_terminal() {
        let code: ByArch = [(75, 900), (80, 7), (120, 1 << 40)]
            .map(|(number, bytes)| {
                let capability = format!("{}.{}", number / 10, number % 10).parse();
                let sum = ArchBytes { bytes, images: 10 };
                ((ImageKind::Cubin, capability.ok()), sum)
            })
            .into();
        let longest = |columns| {
            let text = human(&[(Path::new("x"), &code)], Paint::PLAIN, columns);
            let lines = text.lines().map(|line| line.chars().count());
            lines.max().unwrap()
        };
        assert_eq!(longest(None), 104);
        assert_eq!(longest(Some(200)), 104);
        assert_eq!(longest(Some(80)), 80);
        assert_eq!(longest(Some(20)), 68);
    }
}

//! The file of `--rename-dynamic-symbols`.

use crate::scan::read_small;
use anyhow::{Context, bail};
use std::collections::BTreeMap;
use std::path::Path;

/// No map of symbols is longer.
const LARGEST: u64 = 256 << 20;

/// Adds the pairs of a file to `pairs`: a line each, two words. As patchelf does, reading ends
/// at the first blank line, and further words of a line are ignored.
pub(super) fn read_symbol_map(
    path: &Path,
    pairs: &mut BTreeMap<Vec<u8>, Vec<u8>>,
) -> anyhow::Result<()> {
    let name = crate::escape::shown(path);
    let text = read_small(path, LARGEST).with_context(|| format!("Cannot open map file {name}"))?;
    for (index, line) in text.split(|&b| b == b'\n').enumerate() {
        let number = index + 1;
        let mut words = line
            .split(|b| b.is_ascii_whitespace() || *b == 0x0b)
            .filter(|word| !word.is_empty());
        let Some(from) = words.next() else {
            break;
        };
        let Some(to) = words.next() else {
            bail!("{name}:{number}: Map file line is missing the second element");
        };
        let shown = |word: &[u8]| crate::escape::Shown::from(word).to_string();
        if pairs.contains_key(from) {
            bail!(
                "{name}:{number}: Name '{}' appears twice in the map file",
                shown(from)
            );
        }
        if from.contains(&b'@') || to.contains(&b'@') {
            bail!(
                "{name}:{number}: Name pair contains version tag: {} {}",
                shown(from),
                shown(to)
            );
        }
        pairs.insert(from.to_vec(), to.to_vec());
    }
    Ok(())
}

//! Order of release numbers such as 8.9.7 and 2.0.2.1: by number, part by part.

use std::cmp::Ordering;

/// Compares two versions; parts that are no numbers compare as text, after numbers.
pub(crate) fn compare(a: &str, b: &str) -> Ordering {
    let part = |text: &str| match text.parse::<u64>() {
        Ok(number) => (0, number, String::new()),
        Err(_) => (1, 0, text.to_owned()),
    };
    a.split('.')
        .map(part)
        .cmp(b.split('.').map(part))
        .then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_compare_as_numbers() {
        let mut versions = ["9.10.0", "9.9.1", "9.9", "2.0.2.1", "2.0.2", "9.9.rc"];
        versions.sort_by(|a, b| compare(a, b));
        assert_eq!(
            versions,
            ["2.0.2", "2.0.2.1", "9.9", "9.9.1", "9.9.rc", "9.10.0"]
        );
    }
}

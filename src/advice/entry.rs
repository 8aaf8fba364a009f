//! Directories as entries of a RUNPATH.

/// Whether the loader takes a path in an entry as it is: a colon ends the entry, and a dollar sign
/// may begin a token.
pub(super) fn is_literal(path: &[u8]) -> bool {
    !path.iter().any(|byte| b":$".contains(byte))
}

/// The entry `$ORIGIN/…` that leads from a file to a directory, where their names say it.
pub(super) fn from_origin(file: &[u8], directory: &[u8]) -> Option<Vec<u8>> {
    let parts = |path: &[u8]| -> Option<Vec<Vec<u8>>> {
        let parts = path.split(|&byte| byte == b'/').map(<[u8]>::to_vec);
        let parts: Vec<_> = parts
            .filter(|part| ![&b""[..], b"."].contains(&&part[..]))
            .collect();
        (!parts.contains(&b"..".to_vec())).then_some(parts)
    };
    if file.starts_with(b"/") != directory.starts_with(b"/") {
        return None;
    }
    let mut origin = parts(file)?;
    origin.pop()?;
    let directory = parts(directory)?;
    let pairs = origin.iter().zip(&directory);
    let common = pairs.take_while(|(a, b)| a == b).count();
    let up = std::iter::repeat_n(b"..".to_vec(), origin.len() - common);
    let rest: Vec<Vec<u8>> = up.chain(directory[common..].iter().cloned()).collect();
    if !rest.iter().all(|part| is_literal(part)) {
        return None;
    }
    let mut entry = b"$ORIGIN".to_vec();
    for part in rest {
        entry.push(b'/');
        entry.extend(part);
    }
    Some(entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_from_a_file_to_a_directory() {
        let entry = |file: &str, directory: &str| {
            let entry = from_origin(file.as_bytes(), directory.as_bytes());
            entry.map(|entry| String::from_utf8(entry).unwrap())
        };
        assert_eq!(
            entry("a:b/bin/app", "a:b/lib").as_deref(),
            Some("$ORIGIN/../lib")
        );
        assert_eq!(entry("/$LIB/app", "/$LIB").as_deref(), Some("$ORIGIN"));
        assert_eq!(entry("./app", "lib/x").as_deref(), Some("$ORIGIN/lib/x"));
        assert_eq!(entry("a/app", "b:c"), None);
        assert_eq!(entry("../a/app", "b"), None);
        assert_eq!(entry("/a/app", "b"), None);
    }
}

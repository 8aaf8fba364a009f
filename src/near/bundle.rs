//! Whose installation a file is part of, by its path.

use super::absent::Absent;
use crate::advice::Bundle;
use std::path::Path;

/// The bundle that has this absolute path.
pub(super) fn of(absent: &Absent, file: &Path) -> Option<Bundle> {
    let names: Vec<_> = file.iter().filter_map(|name| name.to_str()).collect();
    let mut pairs = names.windows(3);
    // flatpak(1): installations are /var/lib/flatpak and ~/.local/share/flatpak, in a sandbox /app.
    let flatpak = |all: &[&str]| all[0] == "flatpak" && matches!(all[1], "app" | "runtime");
    let sandboxed = || file.starts_with("/app") && absent.exists(Path::new("/.flatpak-info"));
    if pairs.clone().any(flatpak) || sandboxed() {
        return Some(Bundle::Flatpak);
    }
    // /snap/NAME/REVISION, or below /var/lib/snapd.
    let revision = |text: &str| {
        let number = text.strip_prefix('x').unwrap_or(text);
        text == "current" || (!number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
    };
    if pairs.any(|all| all[0] == "snap" && revision(all[2])) {
        return Some(Bundle::Snap);
    }
    let mut above = file.ancestors().skip(1);
    // By the slash, a directory.
    above
        .any(|directory| absent.exists(&directory.join("conda-meta/")))
        .then_some(Bundle::Conda)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bundles_by_their_paths() {
        for (path, bundle) in [
            (
                "/var/lib/flatpak/app/org.x.App/x86_64/stable/1a2b/files/bin/app",
                Some(Bundle::Flatpak),
            ),
            (
                "/home/u/.local/share/flatpak/runtime/org.x/y/files/lib/libx.so",
                Some(Bundle::Flatpak),
            ),
            ("/snap/ollama/23/bin/ollama", Some(Bundle::Snap)),
            ("/var/lib/snapd/snap/app/x1/lib/libx.so", Some(Bundle::Snap)),
            ("/snap/app/current/bin/app", Some(Bundle::Snap)),
            ("/home/u/snap/app/common/libx.so", None),
            ("/usr/lib/flatpak/libx.so", None),
            ("/usr/bin/app", None),
        ] {
            assert_eq!(of(&Absent::default(), Path::new(path)), bundle, "{path}");
        }
    }
}

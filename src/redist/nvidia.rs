//! NVIDIA's own manifest, `redistrib_VERSION.json`, in all shapes that were seen.

use super::check::{Checks, DOWNLOAD_AGAIN};
use super::document::Value;
use super::manifest::{Archive, ArchiveKey, Package, Release};
use super::problem::ManifestProblem;
use super::tables::Tables;
use std::collections::BTreeMap;

/// Facts from the caller that the file may lack.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Given<'a> {
    /// The product that the user names.
    pub product: Option<&'a str>,
    /// The version that the user names.
    pub version: Option<&'a str>,
    /// `9.14.0` of `redistrib_9.14.0.json`.
    pub file_version: Option<&'a str>,
}

struct Reader<'a> {
    tables: &'a Tables,
    checks: Checks,
}

/// Reads a manifest. Without a release there is at least one error among the problems.
pub(crate) fn read(
    document: &Value,
    given: Given,
    tables: &Tables,
) -> (Option<Release>, Vec<ManifestProblem>) {
    let mut reader = Reader {
        tables,
        checks: Checks::default(),
    };
    let release = reader.release(document, given);
    (release, reader.checks.problems)
}

const TOP: [&str; 3] = ["release_date", "release_label", "release_product"];
const ENTRY: [&str; 5] = ["name", "license", "license_path", "version", "cuda_variant"];
const ARCHIVE: [&str; 4] = ["relative_path", "sha256", "md5", "size"];
const KINDS: [&str; 7] = [
    ".tar.xz", ".tar.gz", ".tgz", ".tar.zst", ".tar.bz2", ".deb", ".zip",
];

impl Reader<'_> {
    fn warn(&mut self, key: &str, expected: &str, found: &Value, help: &str) {
        let problem = ManifestProblem::error(key, expected, found.to_string(), help);
        self.checks.problems.push(problem.into_warning());
    }

    fn release(&mut self, document: &Value, given: Given) -> Option<Release> {
        let entries = document.entries()?;
        let mut packages = BTreeMap::new();
        let mut names = Vec::new();
        for (name, value) in entries {
            if value.entries().is_some() {
                names.push(name.as_str());
                if self.checks.name(name, name)
                    && let Some(package) = self.package(name, value)
                    && !package.archives.is_empty()
                {
                    packages.insert(name.clone(), package);
                }
            } else if !TOP.contains(&name.as_str()) {
                let help = "report it: a newer cuda-fixup may read it";
                self.warn(name, "a package, which is an object", value, help);
            }
        }
        if names.is_empty() {
            self.checks.problems.push(ManifestProblem::error(
                "",
                "at least one package",
                "none",
                DOWNLOAD_AGAIN,
            ));
            return None;
        }
        let product = self.product(document, given, &names)?;
        let version = self.version(document, given)?;
        let date = document.get("release_date");
        let date = date.and_then(|_| self.checks.text("release_date", date));
        Some(Release {
            product,
            version,
            date,
            packages,
        })
    }

    /// NVIDIA's word for it, without a version (`cublasmp-v0-1`), or that of its packages.
    fn product(&mut self, document: &Value, given: Given, packages: &[&str]) -> Option<String> {
        if let Some(product) = given.product {
            return Some(product.to_owned());
        }
        if let Some(value) = document.get("release_product") {
            let label = self.checks.text("release_product", Some(value))?;
            let product = without_version(&label);
            return (self.checks.name("release_product", product)).then(|| product.to_owned());
        }
        let known = self.tables.product_of(packages.iter().copied());
        if known.is_none() {
            self.checks.problems.push(ManifestProblem::error(
                "release_product",
                "the product's name",
                "nothing, and packages of no known product",
                "name it: --product NAME",
            ));
        }
        known.map(str::to_owned)
    }

    fn version(&mut self, document: &Value, given: Given) -> Option<String> {
        if let Some(version) = given.version {
            return Some(version.to_owned());
        }
        if let Some(label) = document.get("release_label") {
            return self.checks.version("release_label", Some(label));
        }
        let from_name = given
            .file_version
            .filter(|text| super::check::is_version(text));
        if from_name.is_none() {
            self.checks.problems.push(ManifestProblem::error(
                "release_label",
                "the release's version, here or in the file's name (redistrib_VERSION.json)",
                "nothing",
                "name it: --release VERSION",
            ));
        }
        from_name.map(str::to_owned)
    }

    fn package(&mut self, key: &str, value: &Value) -> Option<Package> {
        let of = |name: &str| format!("{key}.{name}");
        let version = self.checks.version(&of("version"), value.get("version"));
        let name = self.checks.text(&of("name"), value.get("name"));
        let license = self.checks.text(&of("license"), value.get("license"));
        let cuda = self
            .checks
            .majors(&of("cuda_variant"), value.get("cuda_variant"));
        let mut archives = BTreeMap::new();
        for (system, value) in value.entries()? {
            if ENTRY.contains(&system.as_str()) {
                continue;
            }
            if value.entries().is_none() {
                let help = "report it: a newer cuda-fixup may read it";
                self.warn(&of(system), "a system, which is an object", value, help);
            } else if self.checks.name(&of(system), system) {
                self.system(key, system, value, &mut archives);
            }
        }
        if let Some(license) = &license
            && !archives.is_empty()
            && !self.tables.knows_license(license)
        {
            let found = Value::Text(license.clone());
            let help = "a set takes it for unfree; map it in the layer that brings the manifest: \
                        licenses.\"…\" = lib.licenses.…";
            let expected = "a licence that nixpkgs has a name for";
            self.warn(&of("license"), expected, &found, help);
        }
        Some(Package {
            version: version?,
            name: name?,
            license: license?,
            cuda,
            archives,
        })
    }

    /// An archive, one for each CUDA, or both.
    fn system(
        &mut self,
        package: &str,
        system: &str,
        value: &Value,
        archives: &mut BTreeMap<ArchiveKey, Archive>,
    ) {
        let key = format!("{package}.{system}");
        // Checked like the others, although not kept.
        let windows = system.starts_with("windows-");
        if !windows && !self.tables.knows_system(system) {
            let found = Value::Text(system.to_owned());
            let help = "it is kept; sets take what they know";
            self.warn(&key, "a system that sets are made for", &found, help);
        }
        let mut any = false;
        for (name, inner) in value.entries().unwrap_or(&[]) {
            if inner.entries().is_some() {
                any = true;
                let key = format!("{key}.{name}");
                let major = name.strip_prefix("cuda").filter(|digits| {
                    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
                });
                match major {
                    Some(major) => {
                        let archive = self.archive(&key, inner);
                        insert(archives, system, Some(major), archive.filter(|_| !windows));
                    }
                    None => self.checks.problems.push(ManifestProblem::error(
                        key,
                        "`cuda` and a major version, such as `cuda13`",
                        format!("`{}`", name.escape_debug()),
                        "report it: the shape is new",
                    )),
                }
            } else if !ARCHIVE.contains(&name.as_str()) {
                let help = "report it: a newer cuda-fixup may read it";
                self.warn(&format!("{key}.{name}"), "a key that is known", inner, help);
            }
        }
        // Neither kind: the archive's keys are missing, and named one by one.
        if !any || value.get("relative_path").is_some() {
            let archive = self.checked(&key, value);
            insert(archives, system, None, archive.filter(|_| !windows));
        }
    }

    fn archive(&mut self, key: &str, value: &Value) -> Option<Archive> {
        for (name, inner) in value.entries().unwrap_or(&[]) {
            if !ARCHIVE.contains(&name.as_str()) {
                let help = "report it: a newer cuda-fixup may read it";
                self.warn(&format!("{key}.{name}"), "a key that is known", inner, help);
            }
        }
        self.checked(key, value)
    }

    fn checked(&mut self, key: &str, value: &Value) -> Option<Archive> {
        let archive = self.checks.archive(key, value, "relative_path")?;
        if !KINDS.iter().any(|kind| archive.path.ends_with(kind)) {
            let found = Value::Text(archive.path.clone());
            let help = "the package needs an `unpackPhase` of its own";
            let expected = "an archive of a known kind";
            self.warn(&format!("{key}.relative_path"), expected, &found, help);
        }
        Some(archive)
    }
}

fn insert(
    archives: &mut BTreeMap<ArchiveKey, Archive>,
    system: &str,
    cuda: Option<&str>,
    archive: Option<Archive>,
) {
    let key = ArchiveKey {
        system: system.to_owned(),
        cuda: cuda.map(str::to_owned),
    };
    archives.extend(archive.map(|archive| (key, archive)));
}

/// `cublasmp` of `cublasmp-v0-1`.
fn without_version(label: &str) -> &str {
    match label.rsplit_once("-v") {
        Some((product, version))
            if !version.is_empty() && version.bytes().all(|b| b.is_ascii_digit() || b == b'-') =>
        {
            product
        }
        _ => label,
    }
}

//! The project's own manifest: the properties of any number of releases, sorted, an archive a line,
//! so that two of them compare well.

use super::check::Checks;
use super::document::{self, Value};
use super::problem::{ManifestProblem, Severity};
use super::version;
use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::str::FromStr;

/// The value of `schema`.
pub(crate) const SCHEMA: &str = "cuda-fixup.manifest/1";

/// Releases in order of product and version, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Manifest {
    pub releases: Vec<Release>,
}

/// One release of a redistributable, such as cuDNN 9.14.0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Release {
    /// Such as `cudnn`.
    pub product: String,
    /// Such as `9.14.0`.
    pub version: String,
    /// The day, where NVIDIA names it.
    pub date: Option<String>,
    /// By name.
    pub packages: BTreeMap<String, Package>,
}

/// One package of a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Package {
    /// Such as `9.14.0.64`.
    pub version: String,
    /// NVIDIA's description.
    pub name: String,
    /// NVIDIA's words for the licence.
    pub license: String,
    /// CUDA's major versions that the manifest lists (`cuda_variant`), if it lists any.
    pub cuda: Vec<String>,
    /// All but those for Windows.
    pub archives: BTreeMap<ArchiveKey, Archive>,
}

/// System and CUDA version of an archive.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ArchiveKey {
    /// NVIDIA's name, such as `linux-sbsa`.
    pub system: String,
    /// CUDA's major version, where the system has an archive for each.
    pub cuda: Option<String>,
}

/// A file on NVIDIA's server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Archive {
    /// Hexadecimal.
    pub sha256: String,
    /// In bytes.
    pub size: u64,
    /// Below the product's directory.
    pub path: String,
}

impl fmt::Display for ArchiveKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.system)?;
        match &self.cuda {
            Some(cuda) => write!(f, "/cuda{cuda}"),
            None => Ok(()),
        }
    }
}

impl FromStr for ArchiveKey {
    type Err = ();

    fn from_str(text: &str) -> Result<ArchiveKey, ()> {
        let (system, cuda) = match text.split_once('/') {
            Some((system, variant)) => (system, Some(variant.strip_prefix("cuda").ok_or(())?)),
            None => (text, None),
        };
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !super::check::is_name(system) || !cuda.is_none_or(is_number) {
            return Err(());
        }
        Ok(ArchiveKey {
            system: system.to_owned(),
            cuda: cuda.map(str::to_owned),
        })
    }
}

impl Manifest {
    /// Puts the releases in order.
    pub(crate) fn sort(&mut self) {
        self.releases.sort_by(|a, b| {
            (a.product.cmp(&b.product)).then_with(|| version::compare(&a.version, &b.version))
        });
    }

    /// The text of the file.
    pub(crate) fn to_text(&self) -> String {
        let mut out = format!("{{\"schema\":\"{SCHEMA}\",\"releases\":[");
        for (index, release) in self.releases.iter().enumerate() {
            out.push_str(if index == 0 { "\n" } else { ",\n" });
            write_release(&mut out, release);
        }
        out.push_str("\n]}\n");
        out
    }
}

fn text_json(text: &str) -> String {
    Value::quoted(text)
}

fn write_release(out: &mut String, release: &Release) {
    let (product, version) = (text_json(&release.product), text_json(&release.version));
    let _ = write!(out, "{{\"product\":{product},\"version\":{version}");
    if let Some(date) = &release.date {
        let _ = write!(out, ",\"date\":{}", text_json(date));
    }
    out.push_str(",\"packages\":{");
    for (index, (name, package)) in release.packages.iter().enumerate() {
        out.push_str(if index == 0 { "\n" } else { ",\n" });
        write_package(out, name, package);
    }
    out.push_str("\n}}");
}

fn write_package(out: &mut String, key: &str, package: &Package) {
    let _ = write!(
        out,
        "{}:{{\"version\":{},\"name\":{},\"license\":{}",
        text_json(key),
        text_json(&package.version),
        text_json(&package.name),
        text_json(&package.license)
    );
    if !package.cuda.is_empty() {
        let cuda: Vec<_> = package.cuda.iter().map(|major| text_json(major)).collect();
        let _ = write!(out, ",\"cuda\":[{}]", cuda.join(","));
    }
    out.push_str(",\"archives\":{");
    for (index, (key, archive)) in package.archives.iter().enumerate() {
        out.push_str(if index == 0 { "\n" } else { ",\n" });
        let _ = write!(
            out,
            "{}:{{\"sha256\":{},\"size\":{},\"path\":{}}}",
            text_json(&key.to_string()),
            text_json(&archive.sha256),
            archive.size,
            text_json(&archive.path)
        );
    }
    out.push_str("}}");
}

/// Reads the project's own manifest.
pub(crate) fn read(document: &Value) -> (Manifest, Vec<ManifestProblem>) {
    let mut checks = Checks::default();
    let mut manifest = Manifest::default();
    let releases = match document.get("releases") {
        Some(Value::List(releases)) => releases.as_slice(),
        other => {
            let found = other.map_or_else(|| "nothing".to_owned(), Value::to_string);
            checks
                .problems
                .push(made_anew("releases", "a list of releases", found));
            &[]
        }
    };
    for (index, release) in releases.iter().enumerate() {
        let key = format!("releases[{index}]");
        manifest
            .releases
            .extend(read_release(&key, release, &mut checks));
    }
    manifest.sort();
    for pair in manifest.releases.windows(2) {
        if pair[0].product == pair[1].product && pair[0].version == pair[1].version {
            let found = format!("{} {} twice", pair[0].product, pair[0].version);
            checks
                .problems
                .push(made_anew("releases", "each release once", found));
        }
    }
    (manifest, checks.problems)
}

fn made_anew(key: &str, expected: &str, found: String) -> ManifestProblem {
    ManifestProblem::error(
        key,
        expected,
        found,
        "make the manifest anew: cuda-fixup redist index redistrib_VERSION.json",
    )
}

fn read_release(key: &str, value: &Value, checks: &mut Checks) -> Option<Release> {
    let product = checks.text(&format!("{key}.product"), value.get("product"))?;
    checks
        .name(&format!("{key}.product"), &product)
        .then_some(())?;
    let version = checks.version(&format!("{key}.version"), value.get("version"))?;
    let date = value.get("date").and_then(Value::text).map(str::to_owned);
    let Some(entries) = value.get("packages").and_then(Value::entries) else {
        let found = value.get("packages").map(Value::to_string);
        checks.problems.push(made_anew(
            &format!("{product} {version}: packages"),
            "an object",
            found.unwrap_or_else(|| "nothing".to_owned()),
        ));
        return None;
    };
    let mut packages = BTreeMap::new();
    for (name, package) in entries {
        let key = format!("{product} {version}: {name}");
        if checks.name(&key, name) {
            packages.extend(read_package(&key, package, checks).map(|p| (name.clone(), p)));
        }
    }
    Some(Release {
        product,
        version,
        date,
        packages,
    })
}

fn read_package(key: &str, value: &Value, checks: &mut Checks) -> Option<Package> {
    let mut archives = BTreeMap::new();
    for (name, archive) in value
        .get("archives")
        .and_then(Value::entries)
        .unwrap_or(&[])
    {
        let key = format!("{key}.{name}");
        match name.parse::<ArchiveKey>() {
            Ok(parsed) => archives.extend(
                checks
                    .archive(&key, archive, "path")
                    .map(|archive| (parsed, archive)),
            ),
            Err(()) => checks.problems.push(made_anew(
                &key,
                "a system, and maybe `/cuda` and a number",
                format!("`{}`", name.escape_debug()),
            )),
        }
    }
    Some(Package {
        version: checks.version(&format!("{key}.version"), value.get("version"))?,
        name: checks.text(&format!("{key}.name"), value.get("name"))?,
        license: checks.text(&format!("{key}.license"), value.get("license"))?,
        cuda: checks.majors(&format!("{key}.cuda"), value.get("cuda")),
        archives,
    })
}

/// Whether a document is a manifest of ours; NVIDIA's have no `schema`.
pub(crate) fn is_ours(document: &Value) -> Result<bool, ManifestProblem> {
    match document.get("schema") {
        None => Ok(false),
        Some(schema) if schema.text() == Some(SCHEMA) => Ok(true),
        Some(schema) => Err(ManifestProblem {
            severity: Severity::Error,
            key: "schema".to_owned(),
            expected: format!("`{SCHEMA}`"),
            found: schema.to_string(),
            help: "a newer cuda-fixup wrote it: use that one".to_owned(),
        }),
    }
}

/// Parses a file's text, of either kind.
pub(crate) fn parse(text: &str) -> Result<Value, ManifestProblem> {
    let document = document::parse(text).map_err(|error| {
        ManifestProblem::error(
            "",
            "a JSON document",
            error.to_string(),
            if error.is_eof() {
                "the file is cut short: download it again"
            } else {
                super::check::DOWNLOAD_AGAIN
            },
        )
    })?;
    match document.entries() {
        Some(_) => Ok(document),
        None => Err(ManifestProblem::error(
            "",
            "an object",
            document.to_string(),
            super::check::DOWNLOAD_AGAIN,
        )),
    }
}

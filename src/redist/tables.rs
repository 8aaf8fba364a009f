//! The tables of `nix/data/redist.json`: products, systems and licences, the same for Nix.

use serde::Deserialize;

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Tables {
    #[serde(rename = "format")]
    _format: u32,
    /// Base URL of NVIDIA's products.
    pub url: String,
    products: Vec<Product>,
    systems: Vec<RedistSystem>,
    licenses: Vec<License>,
}

/// One redistributable: a folder of releases on NVIDIA's server.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Product {
    product: String,
    directory: String,
    /// Packages that only this product has.
    packages: Vec<String>,
}

/// A platform in NVIDIA's words.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RedistSystem {
    system: String,
    #[serde(rename = "nix")]
    _nix: Vec<String>,
}

/// A licence of nixpkgs and the words that manifests have for it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct License {
    #[serde(rename = "shortName")]
    _short_name: String,
    #[serde(rename = "fullName")]
    _full_name: String,
    #[serde(rename = "url")]
    _url: String,
    #[serde(rename = "free")]
    _free: bool,
    #[serde(rename = "redistributable")]
    _redistributable: bool,
    words: Vec<String>,
    #[serde(rename = "source")]
    _source: String,
}

impl Tables {
    /// The tables that this program was built with.
    pub(crate) fn read() -> Result<Tables, serde_json::Error> {
        serde_json::from_str(include_str!("../../nix/data/redist.json"))
    }

    /// The product that a package belongs to, where only one has it.
    pub(crate) fn product_of<'a>(
        &self,
        mut packages: impl Iterator<Item = &'a str>,
    ) -> Option<&str> {
        packages.find_map(|package| {
            let of = |product: &&Product| product.packages.iter().any(|name| name == package);
            self.products
                .iter()
                .find(of)
                .map(|product| product.product.as_str())
        })
    }

    /// Whether manifests are known to have this system.
    pub(crate) fn knows_system(&self, name: &str) -> bool {
        self.systems.iter().any(|system| system.system == name)
    }

    /// Whether a licence has a name in nixpkgs.
    pub(crate) fn knows_license(&self, words: &str) -> bool {
        let has = |license: &License| license.words.iter().any(|word| word == words);
        self.licenses.iter().any(has)
    }

    /// The address of an archive.
    pub(crate) fn archive_url(&self, product: &str, path: &str) -> String {
        let known = self.products.iter().find(|known| known.product == product);
        let url = &self.url;
        match known {
            Some(known) => format!("{url}/{}/{path}", known.directory),
            None => format!("{url}/{product}/redist/{path}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_word_and_product_is_there_once() {
        let tables = Tables::read().unwrap();
        let words: Vec<_> = tables.licenses.iter().flat_map(|l| &l.words).collect();
        assert_eq!(words.len(), words.iter().collect::<BTreeSet<_>>().len());
        assert!(tables.products.is_sorted_by_key(|p| &p.product));
        let packages: Vec<_> = tables.products.iter().flat_map(|p| &p.packages).collect();
        assert_eq!(
            packages.len(),
            packages.iter().collect::<BTreeSet<_>>().len()
        );
    }

    #[test]
    fn addresses() {
        let tables = Tables::read().unwrap();
        let base = "https://developer.download.nvidia.com/compute";
        assert_eq!(
            tables.archive_url("cuda", "a/b.tar.xz"),
            format!("{base}/cuda/redist/a/b.tar.xz")
        );
        assert_eq!(
            tables.archive_url("tensorrt", "tensorrt/10/b.tar.gz"),
            format!("{base}/machine-learning/tensorrt/10/b.tar.gz")
        );
        assert_eq!(
            tables.archive_url("newproduct", "a"),
            format!("{base}/newproduct/redist/a")
        );
    }
}

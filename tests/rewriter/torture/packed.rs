//! Relocations in Android's packed form and RELR, and LoongArch: no loader of this machine takes
//! the files, so readers judge them.

use crate::torture::kinds::{Kind, Link, Use, linked};
use crate::torture::target::Target;
use std::path::Path;
use std::sync::Arc;

const ANDROID: &str = "-Wl,--pack-dyn-relocs=android+relr";

/// Name, clang's options.
const TARGETS: [(&str, &[&str]); 3] = [
    ("loongarch64", &options("--target=loongarch64-linux-gnu")),
    ("android-x86_64", &options("--target=x86_64-linux-gnu")),
    // DT_ANDROID_REL; the other has DT_ANDROID_RELA.
    ("android-i686", &options("--target=i686-linux-gnu")),
];

const fn options(target: &'static str) -> [&'static str; 4] {
    [target, "-nostdlib", "-ffreestanding", "-fuse-ld=lld-22"]
}

/// Every such kind.
pub fn all(dir: &Path) -> Vec<Kind> {
    let mut kinds = Vec::new();
    for (machine, options) in TARGETS {
        let target = Arc::new(Target::without_loader(machine, options, dir));
        for (variant, used_as, flags) in [
            ("pie", Use::Program, &["-fPIE", "-pie"][..]),
            ("nopie", Use::Program, &["-no-pie"]),
            ("lib", Use::Library, &[]),
        ] {
            let mut flags = flags.to_vec();
            if machine.starts_with("android") {
                flags.push(ANDROID);
            }
            let link = Link {
                name: &format!("{machine}-{variant}"),
                compiler: "",
                used_as,
                flags: &flags,
            };
            kinds.push(linked(dir, &target, &link));
        }
    }
    kinds
}

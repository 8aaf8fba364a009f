//! Loader names and defaults by machine, for interpreters that can't be read.
//!
//! Source of names and cache flags: glibc's sysdeps/**/shlib-versions, dl-cache.h and
//! ldconfig.h; multiarch directories: Debian's dpkg-architecture(1).

use super::tokens::origin_of;
use elf_edit::{Class, FileHeader};
use object::elf;

/// Defaults for one kind of program.
#[derive(Debug)]
pub(super) struct Usual {
    machine: u16,
    class: Class,
    /// Default glibc interpreter.
    pub(super) glibc: &'static str,
    /// ARCH of ld-musl-ARCH.so.1.
    pub(super) musl: &'static str,
    /// Debian's name of the directory.
    multiarch: &'static str,
    /// The directory elsewhere.
    pub(super) libdir: &'static str,
    /// `_DL_CACHE_DEFAULT_ID`
    pub(super) cache_flags: u32,
}

macro_rules! usual {
    ($($machine:ident $class:ident $glibc:literal $musl:literal $multiarch:literal $libdir:literal $flags:literal;)*) => {
        &[$(Usual {
            machine: elf::$machine,
            class: Class::$class,
            glibc: $glibc,
            musl: $musl,
            multiarch: $multiarch,
            libdir: $libdir,
            cache_flags: $flags,
        }),*]
    };
}

const KINDS: &[Usual] = usual! {
    EM_X86_64 Elf64 "/lib64/ld-linux-x86-64.so.2" "x86_64" "x86_64-linux-gnu" "lib64" 0x303;
    EM_X86_64 Elf32 "/libx32/ld-linux-x32.so.2" "x32" "x86_64-linux-gnux32" "libx32" 0x803;
    EM_386 Elf32 "/lib/ld-linux.so.2" "i386" "i386-linux-gnu" "lib" 0x3;
    EM_AARCH64 Elf64 "/lib/ld-linux-aarch64.so.1" "aarch64" "aarch64-linux-gnu" "lib64" 0xa03;
    EM_ARM Elf32 "/lib/ld-linux-armhf.so.3" "armhf" "arm-linux-gnueabihf" "lib" 0x903;
    EM_PPC64 Elf64 "/lib64/ld64.so.2" "powerpc64le" "powerpc64le-linux-gnu" "lib64" 0x503;
    EM_S390 Elf64 "/lib/ld64.so.1" "s390x" "s390x-linux-gnu" "lib64" 0x403;
    EM_RISCV Elf64 "/lib/ld-linux-riscv64-lp64d.so.1" "riscv64" "riscv64-linux-gnu" "lib64" 0x1003;
    EM_LOONGARCH Elf64 "/lib64/ld-linux-loongarch-lp64d.so.1" "loongarch64" "loongarch64-linux-gnu" "lib64" 0x1203;
};

impl Usual {
    pub(super) fn of(header: &FileHeader) -> Option<&'static Usual> {
        KINDS
            .iter()
            .find(|p| p.machine == header.machine && p.class == header.format.class)
    }

    /// glibc's default directories where its ld.so is not there to ask.
    pub(super) fn assumed_dirs(&self, is_dir: impl Fn(&[u8]) -> bool) -> Vec<Vec<u8>> {
        let dirs = |subs: &[&str]| -> Vec<Vec<u8>> {
            subs.iter()
                .flat_map(|sub| [format!("/{sub}/"), format!("/usr/{sub}/")])
                .map(String::into_bytes)
                .collect()
        };
        let multiarch = format!("lib/{}", self.multiarch);
        if is_dir(format!("/usr/{multiarch}").as_bytes()) {
            dirs(&[&multiarch, "lib"])
        } else {
            dirs(&[self.libdir])
        }
    }
}

/// Libraries of glibc (its manual, and `lib*.so` of its build).
const GLIBC: [&str; 13] = [
    "libc.so.6",
    "libm.so.6",
    "libdl.so.2",
    "libpthread.so.0",
    "librt.so.1",
    "libutil.so.1",
    "libresolv.so.2",
    "libanl.so.1",
    "libmvec.so.1",
    "libnsl.so.1",
    "libBrokenLocale.so.1",
    "libthread_db.so.1",
    "libnss_files.so.2",
];

/// Names of the libraries that glibc consists of.
pub(crate) fn glibc_names() -> impl Iterator<Item = &'static str> {
    GLIBC.into_iter()
}

/// Whether this machine's processor runs programs of that machine. Of processors that are not
/// listed nothing is known, so nothing is foreign to them.
pub(crate) fn runs_here(machine: u16) -> bool {
    match std::env::consts::ARCH {
        "x86_64" => matches!(machine, elf::EM_X86_64 | elf::EM_386),
        "aarch64" => matches!(machine, elf::EM_AARCH64 | elf::EM_ARM),
        _ => true,
    }
}

/// glibc's interpreter of each machine and class.
pub(crate) fn usual_interpreters() -> impl Iterator<Item = (u16, Class, &'static str)> {
    KINDS.iter().map(|p| (p.machine, p.class, p.glibc))
}

/// The interpreters that programs of this kind usually name, those of the same libc as
/// `interpreter`.
pub(crate) fn assumed_interpreters(header: &FileHeader, interpreter: &[u8]) -> Vec<Vec<u8>> {
    let Some(usual) = Usual::of(header) else {
        return Vec::new();
    };
    match musl_arch(file_name(interpreter)) {
        Some(_) => vec![format!("/lib/ld-musl-{}.so.1", usual.musl).into_bytes()],
        None => vec![usual.glibc.as_bytes().to_vec()],
    }
}

/// The last part of a path.
pub(super) fn file_name(path: &[u8]) -> &[u8] {
    path.rsplit(|&b| b == b'/').next().unwrap_or(path)
}

/// ARCH, if the file name is musl's.
pub(super) fn musl_arch(name: &[u8]) -> Option<&[u8]> {
    name.strip_prefix(b"ld-musl-")?.strip_suffix(b".so.1")
}

/// Whether the file name is one of glibc's.
pub(super) fn is_glibc_name(name: &[u8]) -> bool {
    KINDS.iter().any(|p| file_name(p.glibc.as_bytes()) == name)
        || name.starts_with(b"ld-linux")
        || (name.starts_with(b"ld64.so.") || name.starts_with(b"ld.so."))
}

/// The prefix of an interpreter outside of the system's directories.
pub(super) fn own_prefix(interpreter: &[u8]) -> Option<&[u8]> {
    let dir = origin_of(interpreter);
    let below = dir.strip_prefix(b"/usr").unwrap_or(dir);
    (interpreter.starts_with(b"/") && !below.starts_with(b"/lib")).then(|| origin_of(dir))
}

/// `$LIB`: the directory that glibc was installed to (`slibdir`), less its prefix.
pub(super) fn dst_lib(dirs: &[Vec<u8>]) -> Vec<u8> {
    let Some(first) = dirs.first() else {
        return b"lib".to_vec();
    };
    let first = first.strip_suffix(b"/").unwrap_or(first);
    match first.strip_prefix(b"/") {
        Some(inner) if inner.starts_with(b"lib") => inner.to_vec(),
        _ => file_name(first).to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_prefixes() {
        assert_eq!(musl_arch(b"ld-musl-aarch64.so.1"), Some(&b"aarch64"[..]));
        assert!(is_glibc_name(b"ld-linux-aarch64.so.1") && !is_glibc_name(b"ld-elf.so.1"));
        assert_eq!(own_prefix(b"/lib64/ld-linux-x86-64.so.2"), None);
        assert_eq!(own_prefix(b"/usr/lib/ld-linux.so.2"), None);
        assert_eq!(
            own_prefix(b"/nix/store/x-glibc/lib/ld-linux.so.2"),
            Some(&b"/nix/store/x-glibc"[..])
        );
        assert_eq!(dst_lib(&[b"/lib64/".to_vec()]), b"lib64");
        assert_eq!(
            dst_lib(&[b"/lib/x86_64-linux-gnu/".to_vec()]),
            b"lib/x86_64-linux-gnu"
        );
        assert_eq!(dst_lib(&[b"/nix/store/x-glibc/lib/".to_vec()]), b"lib");
    }
}

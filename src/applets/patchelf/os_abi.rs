//! EI_OSABI and its names.

use anyhow::anyhow;
use object::elf;

/// EI_OSABI by the names that `--print-os-abi` prints.
const OS_ABIS: [(&str, u8); 12] = [
    ("System V", elf::ELFOSABI_SYSV),
    ("HP-UX", elf::ELFOSABI_HPUX),
    ("NetBSD", elf::ELFOSABI_NETBSD),
    ("Linux", elf::ELFOSABI_GNU),
    ("GNU Hurd", elf::ELFOSABI_HURD),
    ("Solaris", elf::ELFOSABI_SOLARIS),
    ("AIX", elf::ELFOSABI_AIX),
    ("IRIX", elf::ELFOSABI_IRIX),
    ("FreeBSD", elf::ELFOSABI_FREEBSD),
    ("Tru64", elf::ELFOSABI_TRU64),
    ("OpenBSD", elf::ELFOSABI_OPENBSD),
    ("OpenVMS", elf::ELFOSABI_OPENVMS),
];
/// More names that `--set-os-abi` accepts.
const OS_ABI_ALIASES: [(&str, u8); 2] = [("GNU", elf::ELFOSABI_GNU), ("Hurd", elf::ELFOSABI_HURD)];

/// The name that `--print-os-abi` prints.
pub(super) fn name(abi: u8) -> Option<&'static str> {
    let known = OS_ABIS.iter().find(|known| known.1 == abi);
    known.map(|known| known.0)
}

/// The number for a name, in any case.
pub(super) fn by_name(name: &[u8]) -> anyhow::Result<u8> {
    let name = name.trim_ascii();
    OS_ABIS
        .iter()
        .chain(&OS_ABI_ALIASES)
        .find(|known| known.0.as_bytes().eq_ignore_ascii_case(name))
        .map(|known| known.1)
        .ok_or_else(|| {
            anyhow!(
                "unrecognized OS ABI '{}': name one of {}",
                crate::escape::Shown::from(name),
                OS_ABIS.map(|known| known.0).join(", ")
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn os_abis_go_by_any_case() {
        assert_eq!(by_name(b" gnu HURD\n").unwrap(), elf::ELFOSABI_HURD);
        assert_eq!(by_name(b"hurd").unwrap(), elf::ELFOSABI_HURD);
        assert!(by_name(b"hpux").is_err() && by_name(b"").is_err());
    }
}

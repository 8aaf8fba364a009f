//! Evidence for the code of a CUDA runtime (cudart) in a file, stripped or not: linked in statically,
//! or the file is the shared runtime.
//!
//! Three strings that only the runtime holds all of; then, and only then, the number that its
//! `cudaRuntimeGetVersion` returns. API names are no evidence: libcupti has hundreds of them.

use super::soname::is_cudart;
use elf_edit::ElfInfo;
use elf_edit::windows::Window;
use memchr::memmem;
use object::elf;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::LazyLock;

/// Strings of the runtime that survive `strip`: its shared memory's name, one of its errors' name
/// and one of its errors' text. The driver, profilers and extension modules have some of them,
/// only the runtime has all.
const STRINGS: [&str; 3] = [
    "/cudart.shm.",
    "cudaErrorCudartUnloading",
    "CUDA driver version is insufficient for CUDA runtime version",
];

/// Where `.sh` is in the first string.
const FIRST_DOT: usize = "/cudart".len();

static FINDERS: LazyLock<[memmem::Finder<'static>; 3]> =
    LazyLock::new(|| STRINGS.map(memmem::Finder::new));

/// A piece of evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clue {
    /// A string, or a description of the instructions.
    pub what: String,
    pub offset: u64,
}

/// The code of a CUDA runtime.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuntimeCode {
    /// 1000 * major + 10 * minor, as `cudaRuntimeGetVersion` returns it. None if its code was not
    /// found, or if several places match and disagree.
    pub version: Option<u32>,
    /// The strings, and the code that each version was read from.
    pub evidence: Vec<Clue>,
}

impl RuntimeCode {
    pub(crate) fn new(strings: Vec<Clue>, versions: &Versions) -> RuntimeCode {
        // libcusolver's own version, 12200 of 12.2.0, comes out of the same instructions: no CUDA
        // has had a minor version above 9.
        let likely = |version: &u32| version % 1000 < 100;
        let one_likely = versions.found.keys().filter(|v| likely(v)).count() == 1;
        let found: Vec<(&u32, &u64)> = versions
            .found
            .iter()
            .filter(|(version, _)| !one_likely || likely(version))
            .collect();
        let mut evidence = strings;
        evidence.extend(found.iter().map(|&(version, &offset)| Clue {
            what: format!("code that returns CUDA version {}", shown_version(*version)),
            offset,
        }));
        let version = match found[..] {
            [(&only, _)] => Some(only),
            _ => None,
        };
        RuntimeCode { version, evidence }
    }
}

/// A version number as people write it: 12090 is `12.9`.
pub(crate) fn shown_version(version: u32) -> String {
    format!("{}.{}", version / 1000, version % 1000 / 10)
}

/// Whether the file is the shared runtime, which contains the same strings.
pub(crate) fn is_cudart_itself(info: &ElfInfo) -> bool {
    let soname = info.dynamic.as_ref().and_then(|d| d.soname.as_deref());
    soname.is_some_and(is_cudart)
}

/// First offset of each of the three strings.
#[derive(Debug, Default)]
pub(crate) struct Clues([Option<u64>; 3]);

impl Clues {
    /// Looks for the first string in one window of read-only data. Nearly every file lacks it, and
    /// is not searched for the others.
    pub(crate) fn look_for_first(&mut self, window: Window<'_>) {
        self.look_for(0..1, window);
    }

    /// The same where `.sh` is at `at`, a part of that string.
    pub(crate) fn look_at_first(&mut self, window: Window<'_>, at: usize) {
        let [first, ..] = &mut self.0;
        let Some(start) = at.checked_sub(FIRST_DOT) else {
            return;
        };
        if first.is_none() && window.bytes[start..].starts_with(STRINGS[0].as_bytes()) {
            *first = Some(window.offset + start as u64);
        }
    }

    /// Whether the file has the first string, so that it has to be searched for the others.
    pub(crate) fn has_first(&self) -> bool {
        self.0[0].is_some()
    }

    /// Looks for the other strings.
    pub(crate) fn look_for_others(&mut self, window: Window<'_>) {
        self.look_for(1..3, window);
    }

    fn look_for(&mut self, which: Range<usize>, window: Window<'_>) {
        for (seen, finder) in self.0[which.clone()].iter_mut().zip(&FINDERS[which]) {
            if seen.is_none() {
                *seen = finder
                    .find(window.bytes)
                    .map(|at| window.offset + at as u64);
            }
        }
    }

    /// The evidence, if all three were seen.
    pub(crate) fn all(&self) -> Option<Vec<Clue>> {
        self.0
            .iter()
            .zip(STRINGS)
            .map(|(offset, text)| {
                Some(Clue {
                    what: format!("string {text:?}"),
                    offset: (*offset)?,
                })
            })
            .collect()
    }
}

/// Reads the runtime's version out of code.
#[derive(Debug)]
pub(crate) struct Versions {
    machine: u16,
    found: BTreeMap<u32, u64>,
}

/// `test rdi, rdi; je`
static TEST_RDI: LazyLock<memmem::Finder<'static>> =
    LazyLock::new(|| memmem::Finder::new(b"\x48\x85\xff\x74"));
/// `mov x1, x0`
static MOV_X1_X0: LazyLock<memmem::Finder<'static>> =
    LazyLock::new(|| memmem::Finder::new(b"\xe1\x03\x00\xaa"));

impl Versions {
    pub(crate) fn new(machine: u16) -> Versions {
        Versions {
            machine,
            found: BTreeMap::new(),
        }
    }

    /// Looks through one window of code.
    pub(crate) fn look(&mut self, window: Window<'_>) {
        match self.machine {
            elf::EM_X86_64 => self.look_for(&TEST_RDI, x86_64, window),
            elf::EM_AARCH64 => self.look_for(&MOV_X1_X0, aarch64, window),
            _ => {}
        }
    }

    fn look_for(
        &mut self,
        start: &memmem::Finder<'static>,
        version_at: fn(&[u8]) -> Option<u32>,
        window: Window<'_>,
    ) {
        for at in start.find_iter(window.bytes) {
            if let Some(version) = version_at(&window.bytes[at..])
                && (7000..16_000).contains(&version)
                && version % 10 == 0
            {
                let offset = window.offset + at as u64;
                self.found.entry(version).or_insert(offset);
            }
        }
    }
}

/// `test rdi, rdi; je …; mov dword [rdi], VERSION; xor eax, eax; [leave | pop rbp;] ret`
fn x86_64(code: &[u8]) -> Option<u32> {
    if code.get(5..7)? != b"\xc7\x07" {
        return None;
    }
    let end = code.get(11..)?;
    let returns = [
        &b"\x31\xc0\xc3"[..],
        b"\x31\xc0\xc9\xc3",
        b"\x31\xc0\x5d\xc3",
    ];
    returns
        .iter()
        .any(|r| end.starts_with(r))
        .then_some(u32::from_le_bytes(code.get(7..11)?.try_into().ok()?))
}

/// `mov x1, x0; cbz x…; movz w2, #VERSION; movz w0, #0; str w2, [x1]; ret`
fn aarch64(code: &[u8]) -> Option<u32> {
    let word = |i: usize| -> Option<u32> {
        let bytes = code.get(4 * i..4 * i + 4)?;
        Some(u32::from_le_bytes(bytes.try_into().ok()?))
    };
    let cbz_64 = word(1)? & 0xff00_0000 == 0xb400_0000;
    let movz_w2 = word(2)? & 0xffe0_001f == 0x5280_0002;
    let rest = [word(3)?, word(4)?, word(5)?] == [0x5280_0000, 0xb900_0022, 0xd65f_03c0];
    (cbz_64 && movz_w2 && rest).then_some(word(2)? >> 5 & 0xffff)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn versions(machine: u16, code: &[u8]) -> Vec<(u32, u64)> {
        let mut versions = Versions::new(machine);
        versions.look(Window {
            bytes: code,
            offset: 0x1000,
            first: true,
        });
        versions.found.into_iter().collect()
    }

    fn x86(version: u32, end: &[u8]) -> Vec<u8> {
        let mut code = b"\x90\x48\x85\xff\x74\x10\xc7\x07".to_vec();
        code.extend_from_slice(&version.to_le_bytes());
        code.extend_from_slice(end);
        code
    }

    #[test]
    fn the_function_is_known_by_its_instructions() {
        for end in [
            &b"\x31\xc0\xc3"[..],
            b"\x31\xc0\xc9\xc3",
            b"\x31\xc0\x5d\xc3",
        ] {
            assert_eq!(
                versions(elf::EM_X86_64, &x86(12_090, end)),
                [(12_090, 0x1001)]
            );
        }
        assert_eq!(
            versions(elf::EM_X86_64, &x86(12_090, b"\x31\xc0\x90\xc3")),
            []
        );
        assert_eq!(versions(elf::EM_X86_64, &x86(12_095, b"\x31\xc0\xc3")), []);
        assert_eq!(versions(elf::EM_X86_64, &x86(160_000, b"\x31\xc0\xc3")), []);
        assert_eq!(versions(elf::EM_AARCH64, &x86(12_090, b"\x31\xc0\xc3")), []);
        let arm: Vec<u8> = [
            0xaa00_03e1_u32,
            0xb400_00a1,
            0x5280_0002 | 13_000 << 5,
            0x5280_0000,
            0xb900_0022,
            0xd65f_03c0,
        ]
        .iter()
        .flat_map(|w| w.to_le_bytes())
        .collect();
        assert_eq!(versions(elf::EM_AARCH64, &arm), [(13_000, 0x1000)]);
    }

    #[test]
    fn code_that_ends_early_is_no_version() {
        let whole = x86(12_090, b"\x31\xc0\xc3");
        for len in 0..whole.len() {
            assert_eq!(versions(elf::EM_X86_64, &whole[..len]), [], "{len}");
        }
    }

    #[test]
    fn two_answers_are_none() {
        let mut two = Versions::new(elf::EM_X86_64);
        for version in [12_090, 11_040] {
            two.look(Window {
                bytes: &x86(version, b"\x31\xc0\xc3"),
                offset: 0,
                first: true,
            });
        }
        let cudart = RuntimeCode::new(Vec::new(), &two);
        assert_eq!(cudart.version, None);
        assert_eq!(cudart.evidence.len(), 2);
        // An impossible version loses to a possible one, but is returned if there is no other.
        let one = |values: &[u32]| {
            let mut versions = Versions::new(elf::EM_X86_64);
            let found = values.iter().map(|&value| (value, 0));
            versions.found.extend(found);
            RuntimeCode::new(Vec::new(), &versions)
        };
        assert_eq!(one(&[12_200, 13_020]).version, Some(13_020));
        assert_eq!(one(&[12_200, 13_020]).evidence.len(), 1);
        assert_eq!(one(&[13_100]).version, Some(13_100));
        assert_eq!(one(&[12_040, 12_200, 13_020]).version, None);
        assert_eq!(shown_version(12_090), "12.9");
    }
}

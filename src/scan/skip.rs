//! The reasons for skipping a file, with counts.

/// Most files of a tree are one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Skip {
    /// No ELF magic: text, data.
    NotElf,
    /// No bytes at all.
    Empty,
    /// `ar` archive: a static library.
    Archive,
    /// `ET_REL`
    ObjectFile,
    /// `ET_CORE`
    CoreDump,
    /// No dynamic section, or a static PIE: no loader reads a RUNPATH in it.
    Static,
    /// Code stripped off, debug information only.
    SeparateDebug,
    /// Another machine, word size or byte order than the target's.
    ForeignMachine,
    /// Another OS ABI than the target's.
    ForeignOsAbi,
    /// ld.so itself.
    Loader,
    /// An image that the kernel maps into each process.
    Vdso,
    /// Code for a GPU or for BPF.
    Device,
    /// An `e_type` of no file that is loaded.
    Other,
    /// ELF magic, but malformed; only where the caller accepts that.
    Malformed,
    /// A symbolic link; its target is met under its own name.
    Link,
    /// A symbolic link to nothing, or in a cycle.
    DanglingLink,
    /// FIFO, socket or device: never opened.
    Special,
    /// Gone between listing and opening.
    Vanished,
    /// A copy by which another run, or one that was killed, replaces a file.
    Temporary,
}

impl Skip {
    /// All of them, in the order of reports.
    pub const ALL: [Skip; 19] = [
        Skip::NotElf,
        Skip::Empty,
        Skip::Archive,
        Skip::ObjectFile,
        Skip::CoreDump,
        Skip::Static,
        Skip::SeparateDebug,
        Skip::ForeignMachine,
        Skip::ForeignOsAbi,
        Skip::Loader,
        Skip::Vdso,
        Skip::Device,
        Skip::Other,
        Skip::Malformed,
        Skip::Link,
        Skip::DanglingLink,
        Skip::Special,
        Skip::Vanished,
        Skip::Temporary,
    ];

    /// The key in JSON.
    pub fn key(self) -> &'static str {
        match self {
            Skip::NotElf => "not_elf",
            Skip::Empty => "empty",
            Skip::Archive => "archive",
            Skip::ObjectFile => "object_file",
            Skip::CoreDump => "core_dump",
            Skip::Static => "static",
            Skip::SeparateDebug => "separate_debug",
            Skip::ForeignMachine => "foreign_machine",
            Skip::ForeignOsAbi => "foreign_os_abi",
            Skip::Loader => "loader",
            Skip::Vdso => "vdso",
            Skip::Device => "device",
            Skip::Other => "other",
            Skip::Malformed => "malformed",
            Skip::Link => "link",
            Skip::DanglingLink => "dangling_link",
            Skip::Special => "special",
            Skip::Vanished => "vanished",
            Skip::Temporary => "temporary",
        }
    }

    /// Describes the file, for "expected a dynamic ELF file, found …".
    pub fn found(self) -> &'static str {
        match self {
            Skip::NotElf => "not an ELF file",
            Skip::Empty => "an empty file",
            Skip::Archive => "an archive (static library)",
            Skip::ObjectFile => "an object file",
            Skip::CoreDump => "a core dump",
            Skip::Static => "statically linked (nothing reads a RUNPATH in it)",
            Skip::SeparateDebug => "a separate debug file",
            Skip::ForeignMachine => "for another machine than the target",
            Skip::ForeignOsAbi => "for another operating system than the target",
            Skip::Loader => "a dynamic loader (a new tag would break every program that it starts)",
            Skip::Vdso => "a vDSO image",
            Skip::Device => "code for a GPU or for BPF",
            Skip::Other => "an ELF file of a type that is not loaded",
            Skip::Malformed => "a malformed ELF file",
            Skip::Link => "a symbolic link",
            Skip::DanglingLink => "a symbolic link to nothing",
            Skip::Special => "a FIFO, socket or device",
            Skip::Vanished => "gone since it was listed",
            Skip::Temporary => "a temporary copy of another run, or of one that was killed",
        }
    }
}

/// Number of skipped files by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skipped([u64; Skip::ALL.len()]);

impl Skipped {
    pub fn add(&mut self, skip: Skip) {
        self.0[skip as usize] += 1;
    }

    /// Counts all of `other` too.
    pub fn merge(&mut self, other: Skipped) {
        for (mine, more) in self.0.iter_mut().zip(other.0) {
            *mine += more;
        }
    }

    /// The number for this reason.
    pub fn count(&self, skip: Skip) -> u64 {
        self.0[skip as usize]
    }

    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Reasons that occurred, with their counts.
    pub fn counts(&self) -> impl Iterator<Item = (Skip, u64)> + '_ {
        Skip::ALL
            .into_iter()
            .map(|skip| (skip, self.count(skip)))
            .filter(|(_, count)| *count > 0)
    }
}

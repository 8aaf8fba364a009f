//! Edits of a file, as plain data. `layout` finds room for them, `write` makes them.

/// One change. Strings are written as given; they contain no NUL, and may be empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// PT_INTERP. The file must have one.
    SetInterpreter(Vec<u8>),
    /// DT_RUNPATH; a DT_RPATH goes away.
    SetRunpath(Vec<u8>),
    /// DT_RPATH; a DT_RUNPATH goes away (`patchelf --force-rpath`).
    SetRpath(Vec<u8>),
    /// Neither DT_RUNPATH nor DT_RPATH any more.
    RemoveRunpath,
    /// DT_SONAME.
    SetSoname(Vec<u8>),
    /// A DT_NEEDED before all others, unless the file has it already.
    AddNeeded(Vec<u8>),
    /// Every DT_NEEDED of that name goes away.
    RemoveNeeded(Vec<u8>),
    /// A DT_NEEDED by another name, in `.gnu.version_r` too.
    ReplaceNeeded {
        /// The name in the file before the edit.
        from: Vec<u8>,
        /// The name in the file after it.
        to: Vec<u8>,
    },
    /// DF_1_NODEFLIB in DT_FLAGS_1 (`patchelf --no-default-lib`).
    NoDefaultLib,
    /// A DT_DEBUG entry, unless there is one, for debuggers (`patchelf --add-debug-tag`).
    AddDebugTag,
    /// `EI_OSABI`.
    SetOsAbi(u8),
    /// PF_X of PT_GNU_STACK; the header is added where there is none.
    SetExecutableStack(bool),
    /// Symbols of that name lose their version (`patchelf --clear-symbol-version`).
    ClearSymbolVersion(Vec<u8>),
    /// Dynamic symbols get other names: (from, to).
    RenameSymbols(Vec<(Vec<u8>, Vec<u8>)>),
    /// The descriptor of NixOS' resolution cache. Without this edit, a cache that other edits make
    /// stale is removed.
    SetResolutionCache(Vec<u8>),
    /// No resolution cache any more.
    RemoveResolutionCache,
}

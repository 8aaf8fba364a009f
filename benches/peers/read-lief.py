"""RUNPATH and NEEDED of each file named on standard input (NUL after each), with LIEF."""

import sys

import lief

lief.logging.disable()
config = lief.ELF.ParserConfig()
config.parse_symbol_versions = config.parse_notes = False
config.parse_relocations = config.parse_dyn_symbols = config.parse_symtab_symbols = False
for path in sys.stdin.buffer.read().split(b"\0")[:-1]:
    binary = lief.ELF.parse(path.decode(), config)
    if binary is None:
        continue
    print(*binary.libraries)
    for entry in binary.dynamic_entries:
        if entry.tag in (lief.ELF.DynamicEntry.TAG.RUNPATH, lief.ELF.DynamicEntry.TAG.RPATH):
            print(getattr(entry, "runpath", None) or getattr(entry, "rpath", ""))

"""Sets the RUNPATH of a file with LIEF. usage: set-lief.py RUNPATH FILE"""

import sys

import lief

runpath, path = sys.argv[1:]
binary = lief.ELF.parse(path)
for tag in (lief.ELF.DynamicEntry.TAG.RUNPATH, lief.ELF.DynamicEntry.TAG.RPATH):
    while binary.has(tag):
        binary.remove(tag)
binary.add(lief.ELF.DynamicEntryRunPath(runpath))
binary.write(path)

"""Sets interpreters and RUNPATHs of a tree as nixpkgs' auto-patchelf does: pyelftools reads, patchelf
writes, one file after the other. Missing libraries are counted, not fatal.

usage: auto-patchelf.py PATCHELF INTERPRETER TREE [LIBRARY_DIRECTORY...]
"""

import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile

patchelf, interpreter, tree, *lib_dirs = sys.argv[1:]


def architecture(elf):
    return elf.get_machine_arch(), elf.header["e_ident"]["EI_OSABI"]


def compatible(wanted, found):
    if wanted[0] != found[0]:
        return False
    sysv = "ELFOSABI_SYSV"
    return sysv in (wanted[1], found[1]) or wanted[1] == found[1]


def is_static(elf):
    return elf.header["e_type"] == "ET_EXEC" and not elf.get_section_by_name(".interp")


def is_executable(elf):
    return elf.header["e_type"] == "ET_EXEC" or elf.get_section_by_name(".interp") is not None


def dynamic_tags(elf, *kinds):
    section = elf.get_section_by_name(".dynamic")
    if not isinstance(section, DynamicSection):
        return []
    return [tag for tag in section.iter_tags() if tag.entry.d_tag in kinds]


def needed(elf):
    return [tag.needed for tag in dynamic_tags(elf, "DT_NEEDED")]


def runpath(elf):
    entries = [tag.runpath for tag in dynamic_tags(elf, "DT_RUNPATH")]
    entries = entries or [tag.rpath for tag in dynamic_tags(elf, "DT_RPATH")]
    return [entry for text in entries for entry in text.split(":") if entry]


class Index:
    """Directories of libraries by file name and architecture."""

    def __init__(self):
        self.found = defaultdict(list)
        self.seen = set()

    def add(self, directory, recursive):
        todo = [Path(directory)]
        while todo:
            directory = todo.pop(0)
            if directory in self.seen or not directory.is_dir():
                continue
            self.seen.add(directory)
            for path in directory.glob("**/*.so*" if recursive else "*.so*"):
                if not path.is_file():
                    continue
                resolved = path.resolve()
                home = resolved.parent if resolved.name == path.name else path.parent
                try:
                    with open(path, "rb") as file:
                        elf = ELFFile(file)
                        self.found[path.name].append((home, architecture(elf)))
                        todo += [Path(d) for d in runpath(elf) if "$ORIGIN" not in d]
                except (ELFError, OSError):
                    continue

    def find(self, name, arch):
        for directory, its in self.found[name]:
            if compatible(arch, its):
                return directory
        return None


def patch(path, index, target, libc):
    """How many libraries are missing; None: not a file to patch."""
    try:
        with open(path, "rb") as file:
            elf = ELFFile(file)
            if is_static(elf) or elf.num_segments() == 0:
                return None
            arch, executable, names = architecture(elf), is_executable(elf), needed(elf)
    except (ELFError, OSError):
        return None
    if not compatible(target, arch):
        return None
    if executable:
        subprocess.run([patchelf, "--set-interpreter", interpreter, path], check=False, stderr=subprocess.DEVNULL)
    missing, entries = 0, []
    for name in names:
        if (name.startswith("/") and Path(name).is_file()) or (libc / name).is_file():
            continue
        directory = index.find(name, arch)
        if directory is None:
            missing += 1
        elif directory not in entries:
            entries.append(directory)
    if entries:
        subprocess.run(
            [patchelf, "--set-rpath", ":".join(map(str, entries)), path], check=False, stderr=subprocess.DEVNULL
        )
    return missing


def main():
    with open(interpreter, "rb") as file:
        target = architecture(ELFFile(file))
    libc = Path(interpreter).resolve().parent
    index = Index()
    index.add(tree, recursive=True)
    for directory in lib_dirs:
        index.add(directory, recursive=False)
    patched = missing = 0
    for directory, _, files in os.walk(tree):
        for name in files:
            path = os.path.join(directory, name)
            if os.path.islink(path):
                continue
            lacks = patch(path, index, target, libc)
            if lacks is not None:
                patched, missing = patched + 1, missing + lacks
    print(f"{patched} files, {missing} missing libraries")


main()

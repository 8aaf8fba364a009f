"""RUNPATH and NEEDED of each file named on standard input (NUL after each), with pyelftools."""

import sys

from elftools.common.exceptions import ELFError
from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile

for path in sys.stdin.buffer.read().split(b"\0")[:-1]:
    try:
        with open(path, "rb") as file:
            section = ELFFile(file).get_section_by_name(".dynamic")
            if isinstance(section, DynamicSection):
                for tag in section.iter_tags():
                    if tag.entry.d_tag in ("DT_NEEDED", "DT_RUNPATH", "DT_RPATH"):
                        print(getattr(tag, tag.entry.d_tag[3:].lower()))
    except ELFError:
        continue

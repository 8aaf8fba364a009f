"""Edits a file with LIEF, by patchelf's options. usage: edit-lief.py OPTION [VALUE]... FILE

With no words, reads command lines as JSON arrays, one a line, edits in a child process each, and
prints each child's exit status, or the negative number of the signal that ended it: to import LIEF
takes longer than most edits.
"""

import json
import os
import signal
import sys

import lief

Tag = lief.ELF.DynamicEntry.TAG


def without_runpath(binary):
    for tag in (Tag.RUNPATH, Tag.RPATH):
        while binary.has(tag):
            binary.remove(tag)


def rename(binary, old, new):
    for entry in binary.dynamic_entries:
        if entry.tag == Tag.NEEDED and entry.name == old:
            entry.name = new
    # Versions are asked of the file that is loaded, by its name.
    for needed in binary.symbols_version_requirement:
        if needed.name == old:
            needed.name = new


def edit(words):
    *words, path = words
    binary = lief.ELF.parse(path)
    if binary is None:
        sys.exit("LIEF cannot read it")
    words = iter(words)
    for option in words:
        if option == "--set-rpath":
            without_runpath(binary)
            binary.add(lief.ELF.DynamicEntryRunPath(next(words)))
        elif option == "--remove-rpath":
            without_runpath(binary)
        elif option == "--set-interpreter":
            binary.interpreter = next(words)
        elif option == "--set-soname":
            name = next(words)
            if binary.has(Tag.SONAME):
                binary.get(Tag.SONAME).name = name
            else:
                binary.add(lief.ELF.DynamicSharedObject(name))
        elif option == "--add-needed":
            binary.add_library(next(words))
        elif option == "--remove-needed":
            binary.remove_library(next(words))
        elif option == "--replace-needed":
            rename(binary, next(words), next(words))
        else:
            sys.exit(f"{option}: unknown")
    binary.write(path)


def serve():
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            signal.alarm(120)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            edit(json.loads(line))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


lief.logging.disable()
if len(sys.argv) == 1:
    serve()
else:
    edit(sys.argv[1:])

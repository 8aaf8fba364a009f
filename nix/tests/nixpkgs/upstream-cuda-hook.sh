# shellcheck shell=bash
# Does nothing: the tests only ask whose hook a name stands for.

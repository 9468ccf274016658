"""What git calls the kinds of what a tree holds, as it writes them in trees."""

from __future__ import annotations

FILE = "100644"
EXECUTABLE = "100755"
LINK = "120000"
FOLDER = "40000"
SUBMODULE = "160000"

"""Names and fields as text: the valid form of a name, and whether two words are a slip of the finger apart."""

from __future__ import annotations

import re
import unicodedata

LONGEST = 64
# Letters of other scripts that a reader takes for Latin ones, by Unicode's list of confusable characters.
_LOOK_ALIKE = str.maketrans(
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0458\u0455\u0501\u051b\u051d\u04bb\u04cf\u03bf\u03b1\u03bd\u03b9"
    "\u03ba\u03c1\u03c4\u03c5\u03c7\u0131\u0261\u0251", "aeopcyxijsdqwhloavikptuxiga")


def is_valid(name: str) -> bool:
    return len(name) <= LONGEST and re.fullmatch(r"[a-z0-9]+(?:-[a-z0-9]+)*", name) is not None


def plain(name: str) -> str:
    """With letters that only look Latin as those that they look like."""
    return name.translate(_LOOK_ALIKE)


def slug(text: str) -> str:
    """The nearest valid name; empty where nothing of the text can stay."""
    ascii_text = unicodedata.normalize("NFKD", plain(text)).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", ascii_text).strip("-")[:LONGEST].strip("-")


def squeezed(word: str) -> str:
    """Without case, hyphens and underscores: `allowedTools`, `Allowed_Tools` and `allowed-tools` are one."""
    return re.sub(r"[\s_-]+", "", word).lower()


def one_slip(one: str, other: str) -> bool:
    """Whether at most one letter was left out, added, replaced, or swapped with its neighbour."""
    if abs(len(one) - len(other)) > 1 or (one[:1] != other[:1] and one[-1:] != other[-1:] and len(one) > 2):
        return False  # one slip leaves the first letter or the last
    at = next((number for number, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]),
              min(len(one), len(other)))
    left, right = one[at:], other[at:]
    swapped = left[:2] == right[:2][::-1] and left[2:] == right[2:]
    return left[1:] == right or left == right[1:] or left[1:] == right[1:] or swapped

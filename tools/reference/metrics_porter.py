"""Stems of 100,000 words by NLTK's PorterStemmer.

    python3 tools/reference/metrics_porter.py     (needs nltk; writes packages/metrics/goldens/porter.json)

The words are made of the suffixes that the algorithm knows behind random beginnings, from a small generator that the test runs again. The
golden holds the first thousand stems, and of every thousand words a hash of all their stems.
"""

import hashlib
import json
from pathlib import Path

from nltk.stem.porter import PorterStemmer

SUFFIXES = (
    "s es ies ied eed ed ing sses ss at bl iz y ational tional enci anci izer bli alli entli eli ousli ization ation ator alism iveness "
    "fulness ousness aliti iviti biliti fulli logi icate ative alize iciti ical ful ness al ance ence er ic able ible ant ement ment ent "
    "ion ou ism ate iti ous ive ize e ll ly ally fully ology edly ingly"
).split()
LETTERS = "aeiouybcdfghjklmnpqrstvwxzaeioulrstn"


def words(count: int) -> list[str]:
    state = 12345
    result = []

    def below(limit: int) -> int:
        nonlocal state
        state = (state * 1664525 + 1013904223) % 2**32
        return (state >> 8) % limit

    for _ in range(count):
        word = "".join(LETTERS[below(len(LETTERS))] for _ in range(below(7)))
        for _ in range(below(3)):
            word += SUFFIXES[below(len(SUFFIXES))]
        result.append(word)
    irregular = "sky skies dying lying tying news innings inning outings outing cannings canning howe proceed exceed succeed".split()
    return irregular + result[len(irregular) :]


def main() -> None:
    stemmer = PorterStemmer()
    stems = [stemmer.stem(word) for word in words(100_000)]
    hashes = [hashlib.sha256("\n".join(stems[i : i + 1000]).encode()).hexdigest()[:16] for i in range(0, len(stems), 1000)]
    golden = {"suffixes": SUFFIXES, "letters": LETTERS, "first": stems[:1000], "hashes": hashes}
    path = Path(__file__).parents[2] / "packages/metrics/goldens/porter.json"
    path.write_text(json.dumps(golden, separators=(",", ":")) + "\n")


main()

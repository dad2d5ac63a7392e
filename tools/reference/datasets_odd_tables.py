"""Tables with what users' files hold beside plain text, for @vlmopt/datasets: lists that CSV keeps as text, numpy's arrays, encodings, empty
cells, 32-bit floats, decimals, pictures that are lists or paths.

Needs pandas, pyarrow and numpy. Run in the repository's root:

    python3 tools/reference/datasets_odd_tables.py

Writes packages/datasets/goldens/odd-tables.json: each file in base64, and the texts that Python had before it wrote them, or that pandas and
pyarrow read from it.
"""

import base64
import hashlib
import io
import json
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

out = Path("packages/datasets/goldens/odd-tables.json")
PICTURES = [base64.b64decode("R0lGODlhAQABAAAAACwAAAAAAQABAAACAkQBADs="), b"GIF89a another"]
cases = []


def case(name, file, data, answers, **more):
    data = data.encode() if isinstance(data, str) else data
    cases.append({"name": name, "file": file, "base64": base64.b64encode(data).decode(), "answers": answers, **more})


def csv(answers, **options):
    frame = pd.DataFrame({"image": [f"{i}.png" for i in range(len(answers))], "question": "what?"})
    frame["answer"] = pd.Series(answers, dtype=object)
    return frame.to_csv(index=False, **options)


def parquet(answer, image=None, **more):
    image = pa.array([f"{i}.png" for i in range(len(answer))]) if image is None else image
    sink = io.BytesIO()
    pq.write_table(pa.table({"image": image, "question": ["what?"] * len(answer), "answer": answer, **more}), sink)
    return sink.getvalue()


texts = [["red", "dark red"], ["it's green", 'the "green" one', "grün\n\\ 🎈"], [], ["a, b", "['c']", "None"]]
case("lists in CSV", "test.csv", csv(texts), texts)
case("numpy's arrays in CSV", "test.csv", csv([np.array(many, dtype=object) for many in texts]), texts)
case("numpy's texts in lists in CSV", "test.csv", csv([[np.str_(t) for t in many] for many in texts]), texts)
case("arrays as they represent themselves", "test.csv", csv([repr(np.array(many)) for many in texts if many]), [m for m in texts if m])
case("tuples in CSV", "test.csv", csv([tuple(many) for many in texts[:2]]), texts[:2])
case("JSON lists in CSV", "test.csv", csv([json.dumps(many) for many in texts]), texts)
case("a list with nothing in it", "test.csv", csv([["red", None], [None]]), [["red"], []])
case(
    "lists of objects in CSV",
    "test.csv",
    csv([[{"answer": t, "confidence": 1.5, "sure": True} for t in many] for many in texts]),
    texts,
    columns={"answer": "answer.answer"},
)
case(
    "SQuAD's answers, as datasets writes them to CSV",
    "test.csv",
    csv([{"text": np.array(many, dtype=object), "answer_start": np.array([1] * len(many), dtype=np.int32)} for many in texts]),
    texts,
    columns={"answer": "answer.text"},
)
prose = ["[1, 2]", "(see the sign)", "[sic] red", "{x}", "None", "NA", "null", "007", "1.0", " red ", "('tis red", "a;b", 'say "no"']
case("texts that are no lists", "test.csv", csv(prose), [[t] for t in prose])
case("empty cells", "test.csv", csv(["red", None, float("nan")]), [["red"], [], []])
case("NaN as text", "test.csv", csv(["red", None], na_rep="NaN"), [["red"], []])
case("semicolons", "test.csv", csv(["red, dark", "a;b", None], sep=";"), [["red, dark"], ["a;b"], []])
case("tabs in a .csv", "test.csv", csv(["red, dark", "a;b"], sep="\t"), [["red, dark"], ["a;b"]])
case("commas in a .tsv", "test.tsv", csv(["red", "a\tb"]), [["red"], ["a\tb"]])
case("line ends of Windows and of Unix", "test.csv", csv(["red", "blue", "green"]).replace("blue\n", "blue\r\n"), [["red"], ["blue"], ["green"]])

words = ["café où", "naïve", "½ £"]
for encoding in ["latin-1", "cp1252", "utf-16", "utf-16-be", "shift_jis", "gb18030", "cp1251"]:
    said = {"cp1252": ["€ “x” Ž", "—"], "shift_jis": ["何色ですか"], "gb18030": ["什么颜色"], "cp1251": ["цвет"]}.get(encoding, words)
    data = csv(said).encode(encoding)
    asked = {"utf-16": {}, "cp1251": {"encoding": "windows-1251"}, "utf-16-be": {"encoding": "utf-16be"}}
    case(f"CSV in {encoding}", "test.csv", data, [[t] for t in said], **asked.get(encoding, {"encoding": encoding}))
every = [bytes([b]).decode("latin-1") for b in range(0x80, 0x100) if b != 0x85]
lines = "\n".join(json.dumps({"image": "a", "question": "q", "answer": c}, ensure_ascii=False) for c in every)
case("JSON lines in Latin-1, every character", "test.jsonl", lines.encode("latin-1"), [[c] for c in every], encoding="latin1")
every = [bytes([b]).decode("cp1252") for b in range(0x80, 0x100) if b not in (0x81, 0x8D, 0x8F, 0x90, 0x9D)]
lines = "\n".join(json.dumps({"image": "a", "question": "q", "answer": c}, ensure_ascii=False) for c in every)
case("JSON lines in Windows-1252, every character", "test.jsonl", lines.encode("cp1252"), [[c] for c in every], encoding="cp1252")

rows = [
    {"image": "a", "question": "q", "answer": "line\u2028separator"},
    {"image": "a", "question": "q", "answer": float("nan")},
    {"image": "a", "question": "q", "answer": ["NaN", None, "1.0"]},
    {"image": "a", "question": "q", "answer": 9007199254740993},
    {"image": "a", "question": "q", "answer": 1.0},
    {"image": "a", "question": 'say "NaN"\\', "answer": ""},
]
read = [["line\u2028separator"], [], ["NaN", "1.0"], ["9007199254740993"], ["1.0"], [""]]
case("JSON as Python writes it", "test.json", json.dumps(rows, ensure_ascii=False), read)
case("JSON lines as Python writes them", "test.jsonl", "\n".join(json.dumps(r, ensure_ascii=False) for r in rows), read)
case("one JSON line in a .json", "test.json", json.dumps({**rows[0], "answer": [{"text": "red"}]}), [["red"]], columns={"answer": "answer.text"})

floats = [0.1, 2.5, -0.7, 1e-7, 123456.7, 16777216.0, None, float("nan"), 3.4028235e38, 2**-24]


def written(kind, values):
    """numpy's shortest digits, as a number that Python and JavaScript write alike."""
    return [[] if v is None or v != v else [float(np.format_float_positional(kind(v), unique=True))] for v in values]


case("32-bit floats", "test.parquet", parquet(pa.array(floats, pa.float32())), [], numbers=written(np.float32, floats))
lists = pa.array([[0.1, None], [0.2], []], pa.list_(pa.float32()))
case("lists of 32-bit floats", "test.parquet", parquet(lists), [], numbers=[[0.1], [0.2], []])
halves = [0.1, 0.5, 65504.0, -3.14, 2**-14]
case("16-bit floats", "test.parquet", parquet(pa.array(np.array(halves, np.float16))), [], numbers=written(np.float16, halves))
case("64-bit floats", "test.parquet", parquet(pa.array([0.1, float("nan"), 0.1 + 0.2])), [], numbers=[[0.1], [], [0.1 + 0.2]])
decimals = [Decimal("0.57"), Decimal("29.10"), Decimal("-1.00"), None]
case("decimals", "test.parquet", parquet(pa.array(decimals, pa.decimal128(9, 2))), [[] if d is None else [str(d)] for d in decimals])
big = [9007199254740993, -1, None]
case("64-bit integers", "test.parquet", parquet(pa.array(big, pa.int64())), [[] if n is None else [str(n)] for n in big])
case("text that is not marked as text", "test.parquet", parquet(pa.array(["café".encode(), None], pa.binary())), [["café"], []])

hashes = [hashlib.sha256(data).hexdigest() for data in PICTURES]
picture = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
answers = [["a"], ["b"]]
plain = pa.array(["a", "b"])
held = [{"bytes": data, "path": None} for data in PICTURES]
for name, images in {
    "lists of one picture": pa.array([[item] for item in held], pa.list_(picture)),
    "lists of one picture's bytes": pa.array([[data] for data in PICTURES], pa.list_(pa.binary())),
    "a picture by its path, where there are no bytes": pa.array([held[0], {"bytes": None, "path": "below/b.gif"}], picture),
    "pictures by their paths alone": pa.array([{"path": "a.gif"}, {"path": "below/b.gif"}], pa.struct([("path", pa.string())])),
    "lists of one path": pa.array([["a.gif"], ["below/b.gif"]], pa.list_(pa.string())),
    "large binaries": pa.array(PICTURES, pa.large_binary()),
}.items():
    case(name, "test.parquet", parquet(plain, images), answers, pictures=hashes)
objects = [
    {"image": {"bytes": base64.b64encode(PICTURES[0]).decode(), "path": None}, "question": "q", "answer": "a"},
    {"image": {"bytes": None, "path": "below/b.gif"}, "question": "q", "answer": "b"},
]
case("pictures as objects in JSON", "test.json", json.dumps(objects), answers, pictures=hashes)
frame = pd.DataFrame({"image": [["a.gif"], ["below/b.gif"]], "question": "q", "answer": ["a", "b"]})
case("lists of one picture in CSV", "test.csv", frame.to_csv(index=False), answers, pictures=hashes)

out.write_text(json.dumps({"pictures": [base64.b64encode(d).decode() for d in PICTURES], "cases": cases}, ensure_ascii=True, indent=1) + "\n")

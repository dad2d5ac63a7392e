"""Tables as other tools write them, for @vlmopt/datasets: parquet by pyarrow (as the hub keeps data sets), CSV and JSON by Python.

Needs pyarrow. Run in the repository's root:

    python3 tools/reference/datasets_goldens.py

Writes packages/datasets/goldens/: the same six questions in each form, and expected.json, what is in them.
"""

import base64
import csv
import hashlib
import json
import struct
import zlib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

out = Path("packages/datasets/goldens")


def png(red, green, blue):
    """An image of 2 × 2 pixels of one colour."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = (b"\0" + bytes([red, green, blue]) * 2) * 2
    header = struct.pack(">IIBBBBB", 2, 2, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 0)) + chunk(b"IEND", b"")


questions = [
    "What colour is it?",
    'A "quoted", comma,\nand a second line?',
    "Qu'est-ce que c'est ? 日本語 🎈",
    "Which tab\tis it?",
    "",
    "Last one?",
]
answers = [["red"], ["green", "lime"], ["bleu"], ["[1, 2]"], ["none"], ["white", "snow", "ivory"]]
images = [png(255, 0, 0), png(0, 255, 0), png(0, 0, 255), png(0, 0, 0), png(9, 9, 9), png(255, 255, 255)]
topics = ["colour", "colour", "language", None, "colour", "language"]


def embedded(path, compression, question_type, **options):
    """As `datasets` writes an Image column: a struct of bytes and path."""
    table = pa.table(
        {
            "question_id": pa.array(range(100, 106), pa.int64()),
            "question": pa.array([q.encode() if question_type == pa.binary() else q for q in questions], question_type),
            "image": pa.array(
                [{"bytes": data, "path": f"{i}.png"} for i, data in enumerate(images)],
                pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
            ),
            "answers": pa.array(
                [[{"answer": a, "confidence": "yes"} for a in many] for many in answers],
                pa.list_(pa.struct([("answer", pa.string()), ("confidence", pa.string())])),
            ),
            "topic": pa.array(topics, pa.string()),
        }
    )
    pq.write_table(table, path, compression=compression, row_group_size=4, **options)


def plain(path):
    """Images as bytes alone; one of them missing."""
    table = pa.table(
        {
            "question": questions,
            "picture": pa.array([None, *images[1:]], pa.binary()),
            "answer": pa.array(answers, pa.list_(pa.string())),
        }
    )
    pq.write_table(table, path, compression="gzip", use_dictionary=False)


def main():
    out.mkdir(parents=True, exist_ok=True)
    embedded(out / "struct-snappy.parquet", "snappy", pa.string(), write_page_index=True)
    embedded(out / "struct-zstd-v2.parquet", "zstd", pa.binary(), data_page_version="2.0")
    plain(out / "plain-gzip.parquet")
    with open(out / "quoted.csv", "w", newline="", encoding="utf-8-sig") as file:
        writer = csv.writer(file)
        writer.writerow(["question", "image", "answer"])
        for question, many, i in zip(questions, answers, range(6)):
            writer.writerow([question, f"{i}.png", many[0] if len(many) == 1 else json.dumps(many)])
    with open(out / "base64.tsv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter="\t")
        writer.writerow(["index", "question", "image", "answer"])
        for question, many, data, i in zip(questions, answers, images, range(6)):
            # Padded to the size of a real image by a text chunk's worth of zeros after the end.
            writer.writerow([i, question, base64.b64encode(data + bytes(300)).decode(), many[0]])
    expected = {
        "questions": questions,
        "answers": answers,
        "topics": topics,
        "imageSha256": [hashlib.sha256(data).hexdigest() for data in images],
        "paddedImageSha256": [hashlib.sha256(data + bytes(300)).hexdigest() for data in images],
    }
    (out / "expected.json").write_text(json.dumps(expected, ensure_ascii=False, indent=1) + "\n")


main()

"""One file of answers as each of several tools writes it, of the same four questions, and what pandas reads in the Excel table.

Needs: pandas, openpyxl
Run:   python3 tools/reference/datasets_answer_files.py
Writes packages/datasets/goldens/answers/
"""

import gzip
import json
from pathlib import Path

import pandas as pd

OUT = Path(__file__).parents[2] / "packages/datasets/goldens/answers"
ITEMS = [(11, "What is it?", "a cat", "a cat"), (12, 'Say "yes" & <no>?', "yes,\nor no", "no"), (13, "Été?", "ça va", "ca va"), (14, "How many?", "7", "7")]


def lines(path, rows):
    (OUT / path).write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    table = pd.DataFrame([{"index": i, "question": q, "answer": right, "category": "made", "A": None, "prediction": said, "share": 0.25} for i, q, said, right in ITEMS])
    # VLMEvalKit writes <model>_<dataset>.xlsx by to_excel(index=False), or .tsv by to_csv(sep="\t", index=False).
    table.to_excel(OUT / "vlmevalkit.xlsx", index=False, engine="openpyxl")
    table.to_csv(OUT / "vlmevalkit.tsv", sep="\t", index=False)
    table.to_csv(OUT / "table.csv", index=False)
    read = pd.read_excel(OUT / "vlmevalkit.xlsx")
    (OUT / "vlmevalkit.json").write_text(read.to_json(orient="records", force_ascii=False) + "\n")
    # As lmms_eval/evaluator.py puts a sample together.
    lines("samples_lmms-eval.jsonl", [{"doc_id": i, "target": right, "doc": {"question": q}, "arguments": [[q, {}]], "resps": [[said]], "filtered_resps": [said], "doc_hash": "0", "exact_match": 0.0} for i, q, said, right in ITEMS])
    (OUT / "vqa-results.json").write_text(json.dumps([{"question_id": i, "answer": said} for i, q, said, right in ITEMS]))
    (OUT / "vqa-annotations.json").write_text(json.dumps({"info": {}, "annotations": [{"question_id": i, "answers": [{"answer": right, "answer_id": n} for n in range(10)]} for i, q, said, right in ITEMS]}))
    batch = [{"id": f"batch_req_{i}", "custom_id": str(i), "response": {"status_code": 200, "request_id": "r", "body": {"id": "c", "object": "chat.completion", "choices": [{"index": 0, "message": {"role": "assistant", "content": said}, "finish_reason": "stop"}]}}, "error": None} for i, q, said, right in ITEMS]
    lines("openai-batch.jsonl", batch)
    (OUT / "openai-batch.jsonl.gz").write_bytes(gzip.compress((OUT / "openai-batch.jsonl").read_bytes(), mtime=0))
    lines("llava.jsonl", [{"question_id": i, "prompt": q, "text": said, "answer_id": "x", "model_id": "m", "metadata": {}} for i, q, said, right in ITEMS])
    (OUT / "by-id.json").write_text(json.dumps({str(i): said for i, q, said, right in ITEMS}, indent=1))
    lines("references.jsonl", [{"id": str(i), "references": [right]} for i, q, said, right in ITEMS])
    (OUT / "references.csv").write_text(pd.DataFrame([{"question_id": i, "answers": str([right, right.upper()])} for i, q, said, right in ITEMS]).to_csv(index=False))
    (OUT / "references.txt").write_text("".join(right + "\n" for i, q, said, right in ITEMS))


main()

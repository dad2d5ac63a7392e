// Opening a set of 200,000 rows in parquet, and reading its pictures, beside `datasets` of Python. Needs VLMOPT_PYTHON with pyarrow; with `datasets` too, that is
// measured as well. Row groups of 1,000 rows, and pictures of noise: 300 bytes in the large set, 60 KB in one of 60 MB groups.
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { printTable } from "./side-by-side.mjs";

const python = process.env.VLMOPT_PYTHON;
if (python === undefined) {
  console.log("open-data-set needs VLMOPT_PYTHON, a Python with pyarrow, to write parquet");
  process.exit();
}
const folder = mkdtempSync(join(tmpdir(), "vlmopt-sets-"));
const make = `
import random, sys
import pyarrow as pa, pyarrow.parquet as pq
random.seed(1)
def write(path, rows, group, size):
    writer = None
    for start in range(0, rows, group):
        ids = range(start, start + group)
        table = pa.table({"question_id": list(ids), "question": [f"What is left of number {i}?" for i in ids],
            "answers": [[{"answer": f"answer {k}", "answer_confidence": "yes", "answer_id": k} for k in range(10)] for _ in ids],
            "image": [{"bytes": b"\\x89PNG\\r\\n\\x1a\\n" + random.randbytes(size), "path": f"{i}.png"} for i in ids]})
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    writer.close()
write(sys.argv[1] + "/large-00000-of-00001.parquet", 200000, 1000, 300)
write(sys.argv[1] + "/heavy-00000-of-00001.parquet", 2000, 1000, 60000)
`;
const open = `
import { localFolder } from "@vlmopt/datasets";
const [folder, split, count, pictures] = process.argv.slice(1);
const started = performance.now();
const sample = count === "all" ? {} : { sample: { method: "first", count: Number(count) } };
const set = await localFolder(folder, { split, columns: { answer: "answers.answer", id: "question_id" }, ...sample });
await set.readImage(set.records[0]);
const first = performance.now() - started;
for (const record of set.records.slice(0, Number(pictures))) await set.readImage(record);
const each = (performance.now() - started - first) / Number(pictures);
console.log(JSON.stringify({ first, each, memory: process.resourceUsage().maxRSS / 1000 }));
`;
const peer = `
import json, resource, sys, time
started = time.time()
from datasets import Image, load_dataset
rows = load_dataset("parquet", data_files=sys.argv[1] + f"/{sys.argv[2]}-*.parquet", split="train", cache_dir=sys.argv[1] + "/cache").cast_column("image", Image(decode=False))
rows[0]["image"]["bytes"]
first = time.time() - started
for i in range(int(sys.argv[3])): rows[i]["image"]["bytes"]
print(json.dumps({"first": 1000 * first, "each": 1000 * (time.time() - started - first) / int(sys.argv[3]), "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000}))
`;
try {
  execFileSync(python, ["-c", make, folder]);
  const cwd = fileURLToPath(new URL(".", import.meta.url));
  const node = (...args) =>
    spawnSync(process.execPath, ["--input-type=module", "-e", open, folder, ...args], {
      cwd,
      encoding: "utf8",
    });
  const rows = [["set", "first picture, s", "a picture, ms", "memory, MB"]];
  const add = (name, { status, stdout }) => {
    if (status !== 0) return;
    const { first, each, memory } = JSON.parse(stdout);
    rows.push([name, (first / 1000).toFixed(2), each.toFixed(2), memory.toFixed(0)]);
  };
  add("200,000 rows, the first 500", node("large", "500", "500"));
  add("200,000 rows, all", node("large", "all", "5000"));
  add("60 MB groups of 1,000", node("heavy", "all", "2000"));
  for (const [split, pictures] of [
    ["large", "5000"],
    ["heavy", "2000"],
  ])
    add(`datasets, ${split}`, spawnSync(python, ["-c", peer, folder, split, pictures], { encoding: "utf8" }));
  printTable(rows);
} finally {
  rmSync(folder, { recursive: true });
}

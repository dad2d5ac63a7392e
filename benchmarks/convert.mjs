// Converts dtypes with @vlmopt/tensor-io, beside a plain copy of the same bytes and, where VLMOPT_PYTHON has torch, beside PyTorch on
// one thread. GB/s of input and output together.
//   node benchmarks/convert.mjs [--elements 16777216] [--rounds 9]
import { execFileSync } from "node:child_process";
import { parseArgs } from "node:util";
import { bitsPerElement, convert } from "@vlmopt/tensor-io";
import { printTable, sideBySide } from "./side-by-side.mjs";

const { values } = parseArgs({
  options: { elements: { type: "string", default: "16777216" }, rounds: { type: "string", default: "9" } },
});
const count = Number(values.elements);
const rounds = Number(values.rounds);
const pairs = [
  ["BF16", "F32"],
  ["F32", "BF16"],
  ["F16", "F32"],
  ["F32", "F16"],
  ["F16", "BF16"],
  ["BF16", "F16"],
  ["F8_E4M3", "F32"],
  ["F32", "F8_E4M3"],
  ["F8_E5M2", "BF16"],
  ["BF16", "F8_E5M2"],
];

const pytorch = `
import json, sys, time, torch
torch.set_num_threads(1)
names = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2}
count, rounds, pairs = json.loads(sys.argv[1])
values = torch.linspace(-4, 4, count)
result = []
for source, target in pairs:
    x = values.to(names[source])
    out = torch.empty(count, dtype=names[target])
    times = []
    for _ in range(rounds + 1):
        started = time.perf_counter(); out.copy_(x); times.append(time.perf_counter() - started)
    result.append(sorted(times[1:])[rounds // 2])
print(json.dumps(result))`;
const python = process.env.VLMOPT_PYTHON;
const theirs = python
  ? JSON.parse(
      execFileSync(python, ["-c", pytorch, JSON.stringify([count, rounds, pairs])], { encoding: "utf8" }),
    )
  : [];

const floats = Float32Array.from({ length: count }, (_, i) => (8 * i) / count - 4);
const rows = [["GB/s, one core", "ours", "copy", "PyTorch", "ours / PyTorch"]];
for (const [i, [from, to]] of pairs.entries()) {
  const input = convert(new Uint8Array(floats.buffer), "F32", from);
  const output = new Uint8Array((count * bitsPerElement(to)) / 8);
  const bytes = input.length + output.length;
  const copyTo = new Uint8Array(bytes >> 1);
  const copyFrom = new Uint8Array(bytes >> 1);
  const { copy, ours } = await sideBySide(
    { copy: () => copyTo.set(copyFrom), ours: () => convert(input, from, to, output) },
    { rounds },
  );
  const rate = (seconds) => (bytes / seconds / 1e9).toFixed(2);
  rows.push([
    `${from} → ${to}`,
    rate(ours.seconds),
    rate(copy.seconds),
    theirs[i] ? rate(theirs[i]) : "–",
    theirs[i] ? (theirs[i] / ours.seconds).toFixed(2) : "–",
  ]);
}
printTable(rows);
if (!python) console.log("PyTorch was not measured: set VLMOPT_PYTHON to a python3 that has torch.");

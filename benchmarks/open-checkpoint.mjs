// Opens a checkpoint of 100,000 tensors, beside JSON.parse of its header alone and, with VLMOPT_PYTHON, beside Python's safe_open.
//   node benchmarks/open-checkpoint.mjs [--tensors 100000] [--rounds 9]
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { openCheckpoint, writeCheckpoint } from "@vlmopt/tensor-io";
import { median, printTable, sideBySide } from "./side-by-side.mjs";

const { values } = parseArgs({
  options: { tensors: { type: "string", default: "100000" }, rounds: { type: "string", default: "9" } },
});
const [count, rounds] = [Number(values.tensors), Number(values.rounds)];
const folder = mkdtempSync(join(tmpdir(), "vlmopt-open-"));
const file = join(folder, "model.safetensors");
const pythonCode = `
import sys, time
from safetensors import safe_open
times = []
for _ in range(int(sys.argv[2])):
    started = time.perf_counter()
    with safe_open(sys.argv[1], "np") as f:
        names = f.keys()
    times.append(time.perf_counter() - started)
print(sorted(times)[len(times) // 2])`;

try {
  const bytes = new Uint8Array(4);
  const tensors = Array.from({ length: count }, (_, i) => ({
    name: `model.layers.${i % 100}.experts.${Math.floor(i / 100)}.down_proj.weight`,
    dtype: "BF16",
    shape: [1, 2],
    bytes,
  }));
  await writeCheckpoint(tensors, file);
  const raw = readFileSync(file);
  const header = raw.subarray(8, 8 + Number(raw.readBigUInt64LE(0))).toString();
  const result = await sideBySide(
    {
      "@vlmopt/tensor-io, opened and checked": async () => (await openCheckpoint(file)).close(),
      "JSON.parse of the header": () => JSON.parse(header),
    },
    { rounds },
  );
  const rows = Object.entries(result).map(([name, { seconds }]) => [name, (seconds * 1000).toFixed(0)]);
  const cold = Array.from({ length: 5 }, () => {
    const code = `import { openCheckpoint } from "@vlmopt/tensor-io"; const t = performance.now(); await (await openCheckpoint(${JSON.stringify(file)})).close(); console.log(performance.now() - t);`;
    return Number(
      execFileSync(process.execPath, ["--input-type=module", "-e", code], {
        cwd: import.meta.dirname,
        encoding: "utf8",
      }),
    );
  });
  rows.splice(1, 0, ["@vlmopt/tensor-io, first time in a new process", median(cold).toFixed(0)]);
  const python = process.env.VLMOPT_PYTHON;
  if (python) {
    const seconds = Number(
      execFileSync(python, ["-c", pythonCode, file, String(rounds)], { encoding: "utf8" }),
    );
    rows.push(["Python's safe_open", (seconds * 1000).toFixed(0)]);
  }
  console.log(`${count} tensors, a header of ${(header.length / 1e6).toFixed(1)} MB`);
  printTable([["", "ms"], ...rows]);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

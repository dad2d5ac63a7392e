// Solves, inverts and chooses columns with @vlmopt/pruning; with VLMOPT_PYTHON beside scipy's Cholesky factor and a loop of numpy.
//   node benchmarks/refit.mjs [--columns 1536] [--rows 576] [--workers 1] [--rounds 3] [--only solve,invert,choose]
// Prints seconds; Python has as many threads as ours.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { brainSurgeon, linearAlgebra } from "@vlmopt/pruning";
import { printTable, sideBySide } from "./side-by-side.mjs";

/** Answers each line, a task's name, with its seconds; matrices are F32 as ours, and become doubles. */
const peer = `
import sys, time, numpy as np
try: from scipy.linalg import cho_factor, cho_solve
except ImportError: sys.exit(print("missing"))
n, m = int(sys.argv[1]), int(sys.argv[2])
random = np.random.default_rng(0)
x = random.standard_normal((n + 100, n)).astype(np.float32)
gram = x.T @ x
weight = random.standard_normal((m, n)).astype(np.float32)
damped = lambda part: gram.astype(np.float64) + part * np.diag(gram).mean() * np.eye(n)
def solve(): return cho_solve(cho_factor(damped(0.1), overwrite_a=True), weight.T.astype(np.float64)).T
def invert(): return cho_solve(cho_factor(damped(0.01), overwrite_a=True), np.eye(n))
def choose():
    w, h, left = weight.astype(np.float64), invert(), np.ones(n, bool)
    for _ in range(n // 2):
        cost = np.where(left, (w * w).sum(0) / np.diag(h), np.inf)
        p = cost.argmin(); left[p] = False
        column = h[p] / h[p, p]
        w -= np.outer(w[:, p], column); h -= np.outer(h[p], column)
        w[:, p] = 0; h[p, p] = 1
print("ready", flush=True)
for line in sys.stdin:
    started = time.perf_counter(); globals()[line.strip()](); print(time.perf_counter() - started, flush=True)`;

const { values } = parseArgs({
  options: {
    columns: { type: "string", default: "1536" },
    rows: { type: "string", default: "576" },
    workers: { type: "string", default: "1" },
    rounds: { type: "string", default: "3" },
    only: { type: "string", default: "solve,invert,choose" },
  },
});
const [columns, rows, workers] = [values.columns, values.rows, values.workers].map(Number);
const algebra = linearAlgebra({ workers });
const weight = Float32Array.from({ length: rows * columns }, () => Math.random() - 0.5);
const gram = symmetric(columns);
const mean = columns / 3;

const ours = {
  solve: () => algebra.solve(gram, columns, 0.1 * mean, weight),
  invert: () => algebra.invert(gram, columns, 0.01 * mean),
  choose: () => brainSurgeon({ weight, outFeatures: rows, gram, keep: columns >> 1 }, algebra),
};
const theirs = await startPeer(process.env.VLMOPT_PYTHON);
const titles = {
  solve: `X·A = B, A ${columns} × ${columns}, B ${rows} × ${columns}`,
  invert: `inverse of ${columns} × ${columns}`,
  choose: `half of ${columns} columns chosen, inverse included`,
};
const table = [[`${workers} thread(s), seconds`, "ours", "numpy, scipy", "theirs over ours"]];
for (const task of values.only.split(",")) {
  const contestants = { ours: async () => void (await ours[task]()) };
  if (theirs !== undefined) contestants.theirs = () => theirs.seconds(task);
  const result = await sideBySide(contestants, { rounds: Number(values.rounds) });
  const peerSeconds = result.theirs?.seconds;
  table.push([
    titles[task],
    result.ours.seconds.toFixed(2),
    peerSeconds?.toFixed(2) ?? "–",
    peerSeconds === undefined ? "–" : (peerSeconds / result.ours.seconds).toFixed(2),
  ]);
}
printTable(table);
if (theirs === undefined) {
  console.log("The peer was not measured: set VLMOPT_PYTHON to a python3 that has numpy and scipy.");
}
theirs?.close();

async function startPeer(python) {
  if (!python) return undefined;
  const child = spawn(python, ["-c", peer, values.columns, values.rows], {
    stdio: ["pipe", "pipe", "inherit"],
    env: { ...process.env, OMP_NUM_THREADS: values.workers, OPENBLAS_NUM_THREADS: values.workers },
  });
  const lines = createInterface(child.stdout);
  const [first] = await once(lines, "line");
  if (first !== "ready") return undefined;
  return {
    async seconds(task) {
      const answer = once(lines, "line");
      child.stdin.write(`${task}\n`);
      return Number((await answer)[0]);
    },
    close: () => child.stdin.end(),
  };
}

/** Positive definite: a diagonal of n / 3, and beside it what sums of products of n tokens come to. */
function symmetric(n) {
  const matrix = new Float32Array(n * n);
  for (let i = 0; i < n; i++) {
    matrix[i * n + i] = n / 3;
    for (let j = 0; j < i; j++) {
      const value = (Math.random() - 0.5) * Math.sqrt(n) * 0.5;
      matrix[i * n + j] = value;
      matrix[j * n + i] = value;
    }
  }
  return matrix;
}

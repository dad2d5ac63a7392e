// Encodes weights with @vlmopt/quant on one and on two threads; with VLMOPT_PYTHON beside ONNX Runtime's quantizers and bitsandbytes on two.
//   node benchmarks/quant-encoders.mjs [--million 16] [--rounds 5] [--weights model.safetensors]
// Prints million weights a second, and with --weights the relative squared error of that file's matrices.
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { parseArgs } from "node:util";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import {
  decodeBlockwise,
  decodeInt4,
  decodeInt8,
  decodeMxfp4,
  decodeNvfp4,
  encodeBlockwise,
  encodeInt4,
  encodeInt8,
  encodeMxfp4,
  encodeNestedBlockwise,
  encodeNvfp4,
  fp4,
  nf4,
  unnested,
} from "@vlmopt/quant";
import { fromFloat32, openCheckpoint, readTensor, toFloat32 } from "@vlmopt/tensor-io";
import { printTable, sideBySide } from "./side-by-side.mjs";

/** Name → what encodes, and what decodes that to F32. */
const encoders = {
  NF4: [(w) => encodeBlockwise(w, nf4), decodeBlockwise],
  "NF4, double": [(w) => encodeNestedBlockwise(w, nf4), (e, dtype) => decodeBlockwise(unnested(e), dtype)],
  "NF4, searched": [(w) => encodeBlockwise(w, nf4, { scales: "search" }), decodeBlockwise],
  "NF4, double, searched": [
    (w) => encodeNestedBlockwise(w, nf4, { scales: "search" }),
    (e, dtype) => decodeBlockwise(unnested(e), dtype),
  ],
  FP4: [(w) => encodeBlockwise(w, fp4), decodeBlockwise],
  "FP4, searched": [(w) => encodeBlockwise(w, fp4, { scales: "search" }), decodeBlockwise],
  "int4 g128": [(w) => encodeInt4(w, { groupSize: 128 }), decodeInt4],
  "int4 g128, as ONNX Runtime": [(w) => encodeInt4(w, { groupSize: 128, scales: "onnxruntime" }), decodeInt4],
  "int4 g128, searched": [(w) => encodeInt4(w, { groupSize: 128, scales: "search" }), decodeInt4],
  "int4 g128, zero points": [(w) => encodeInt4(w, { groupSize: 128, zeroPoints: "whole" }), decodeInt4],
  "int4 g128, zero points, searched": [
    (w) => encodeInt4(w, { groupSize: 128, zeroPoints: "whole", scales: "search" }),
    decodeInt4,
  ],
  "int4 g128, float zero points, searched": [
    (w) => encodeInt4(w, { groupSize: 128, zeroPoints: "float", scales: "search" }),
    decodeInt4,
  ],
  "int4 g128, float zero points, HQQ": [
    (w) => encodeInt4(w, { groupSize: 128, zeroPoints: "float", scales: "hqq" }),
    decodeInt4,
  ],
  "int8 g128": [(w) => encodeInt8(w, { groupSize: 128 }), decodeInt8],
  NVFP4: [(w) => encodeNvfp4(w), decodeNvfp4],
  "NVFP4, searched": [(w) => encodeNvfp4(w, { scales: "search" }), decodeNvfp4],
  MXFP4: [(w) => encodeMxfp4(w), decodeMxfp4],
  "MXFP4, searched": [(w) => encodeMxfp4(w, { scales: "search" }), decodeMxfp4],
};

/** What does the same work elsewhere, in two threads; million weights a second, by the name of our encoder. */
const peers = `
import json, sys, time, numpy as np
million, rounds = int(sys.argv[1]), int(sys.argv[2])
rows, columns = million * 256, 4096
weights = (np.random.default_rng(0).standard_normal((rows, columns)) * 0.02).astype(np.float32)
result = {}
def measure(name, work):
    work(); times = []
    for _ in range(rounds):
        started = time.perf_counter(); work(); times.append(time.perf_counter() - started)
    result[name] = weights.size / sorted(times)[rounds // 2] / 1e6
try:
    from onnxruntime.capi._pybind_state import quantize_matmul_4bits, quantize_matmul_bnb4
    transposed = np.ascontiguousarray(weights.T)
    groups = columns // 128
    codes = np.zeros((rows, groups, 64), np.uint8); scales = np.zeros(rows * groups, np.float32); zeros = np.zeros(rows * ((groups + 1) // 2), np.uint8)
    measure("int4 g128, as ONNX Runtime", lambda: quantize_matmul_4bits(codes, transposed, scales, zeros, 128, rows, columns, True))
    packed = np.zeros(weights.size // 2, np.uint8); absmax = np.zeros(weights.size // 64, np.float32)
    measure("NF4", lambda: quantize_matmul_bnb4(packed, transposed, absmax, 64, 1, rows, columns))
except ImportError: pass
try:
    import torch
    torch.set_num_threads(2)
    from bitsandbytes.functional import quantize_4bit
    bf16 = torch.from_numpy(weights).to(torch.bfloat16)
    result["onnxruntime"] = dict(result)
    measure("NF4", lambda: quantize_4bit(bf16, blocksize=64, quant_type="nf4"))
    measure("FP4", lambda: quantize_4bit(bf16, blocksize=64, quant_type="fp4"))
    measure("NF4, double", lambda: quantize_4bit(bf16, blocksize=64, quant_type="nf4", compress_statistics=True))
    result["bitsandbytes"] = {name: result[name] for name in ("NF4", "FP4", "NF4, double")}
except ImportError: result["onnxruntime"] = dict(result)
print(json.dumps({name: result.get(name, {}) for name in ("onnxruntime", "bitsandbytes")}))`;

if (isMainThread) await main();
else serve(workerData);

/** In a worker: encodes its own weights when told to. */
function serve(weights) {
  parentPort.on("message", (name) => {
    encoders[name][0](weights);
    parentPort.postMessage("done");
  });
}

async function main() {
  const { values } = parseArgs({
    options: {
      million: { type: "string", default: "16" },
      rounds: { type: "string", default: "5" },
      weights: { type: "string" },
    },
  });
  const count = Number(values.million) * 2 ** 20;
  const rounds = Number(values.rounds);
  const weights = { dtype: "BF16", bytes: fromFloat32(bellShaped(count), "BF16") };
  const half = { dtype: "BF16", bytes: weights.bytes.slice(0, count) };
  const workers = [0, 1].map(() => new Worker(new URL(import.meta.url), { workerData: half }));
  const python = process.env.VLMOPT_PYTHON;
  const theirs = python
    ? JSON.parse(
        execFileSync(python, ["-c", peers, values.million, values.rounds], {
          encoding: "utf8",
          stdio: ["ignore", "pipe", "ignore"],
          env: { ...process.env, OMP_NUM_THREADS: "2", ORT_DISABLE_TELEMETRY: "1" },
        }),
      )
    : { onnxruntime: {}, bitsandbytes: {} };
  const errors = values.weights === undefined ? {} : await errorsOf(values.weights);

  const errorHead = values.weights === undefined ? [] : ["squared error"];
  const rows = [
    ["million weights/s of bf16", "1 thread", "2 threads", "ONNX Runtime", "bitsandbytes", ...errorHead],
  ];
  for (const name of Object.keys(encoders)) {
    const { one, two } = await sideBySide(
      {
        one: () => void encoders[name][0](weights),
        async two() {
          const done = workers.map((worker) => once(worker, "message"));
          for (const worker of workers) worker.postMessage(name);
          await Promise.all(done);
        },
      },
      { rounds },
    );
    const rate = (seconds) => (count / seconds / 1e6).toFixed(0);
    const peer = (library) => theirs[library][name]?.toFixed(0) ?? "–";
    const error = name in errors ? [errors[name].toFixed(6)] : [];
    rows.push([
      name,
      rate(one.seconds),
      rate(two.seconds),
      peer("onnxruntime"),
      peer("bitsandbytes"),
      ...error,
    ]);
  }
  printTable(rows);
  if (!python)
    console.log(
      "Peers were not measured: set VLMOPT_PYTHON to a python3 that has onnxruntime and bitsandbytes.",
    );
  await Promise.all(workers.map((worker) => worker.terminate()));
}

/** Relative squared error of each encoder over the matrices of a checkpoint whose rows groups of 128 divide. */
async function errorsOf(file) {
  const checkpoint = await openCheckpoint(file);
  const sums = Object.fromEntries(Object.keys(encoders).map((name) => [name, 0]));
  let energy = 0;
  for (const { name, dtype, shape } of checkpoint.tensors.values()) {
    if (!["F32", "F16", "BF16"].includes(dtype) || shape.length !== 2 || shape[1] % 128 !== 0) continue;
    const weights = toFloat32(await readTensor(checkpoint, name), dtype);
    for (const weight of weights) energy += weight * weight;
    for (const [encoder, [encode, decode]] of Object.entries(encoders)) {
      const decoded = new Float32Array(decode(encode(weights), "F32").buffer);
      for (let i = 0; i < weights.length; i++) sums[encoder] += (weights[i] - decoded[i]) ** 2;
    }
  }
  await checkpoint.close();
  return Object.fromEntries(Object.entries(sums).map(([name, sum]) => [name, sum / energy]));
}

/** Sums of four uniforms, of a deviation of 0.02. */
function bellShaped(count) {
  const random = () => Math.random() - 0.5;
  return Float32Array.from({ length: count }, () => 0.035 * (random() + random() + random() + random()));
}

// Compresses a model of random weights with data of random tokens, beside the walk through the data alone, which is the limit.
//   node benchmarks/compress-shapes.mjs benchmarks/configs/llava-1.5-7b.json [--items 128] [--tokens 650] [--executor webgpu]
//     [--glu 0.3] [--heads 0.25] [--quantize int4-g128] [--blocks N] [--out FOLDER]
// Prints seconds of each block as it goes, then both totals and the most memory that the process held.
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { randomCheckpoint } from "@vlmopt/bench";
import { compressCheckpoint } from "@vlmopt/compress";
import { openCalibrationWalk, ortExecutor, webgpuExecutor } from "@vlmopt/engine";
import { schemeNamed } from "@vlmopt/quant";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    items: { type: "string", default: "128" },
    tokens: { type: "string", default: "650" },
    executor: { type: "string", default: "webgpu" },
    glu: { type: "string", default: "0.3" },
    heads: { type: "string", default: "0.25" },
    quantize: { type: "string", default: "int4-g128" },
    blocks: { type: "string" },
    out: { type: "string" },
  },
});
const config = JSON.parse(await readFile(positionals[0], "utf8"));
const source = randomCheckpoint(config, "f16");
const vocabulary = (config.text_config ?? config).vocab_size ?? 32_000;
let state = 1;
const random = (below) => {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
  return Math.floor((state / 2 ** 32) * below);
};
const data = Array.from({ length: Number(values.items) }, () => ({
  ids: Array.from({ length: Number(values.tokens) }, () => 3 + random(Math.min(vocabulary, 32_000) - 3)),
}));
const executor =
  values.executor === "webgpu" ? await webgpuExecutor() : ortExecutor({ activations: "float32" });
const stop = new AbortController();
const wanted = Number(values.blocks ?? Number.POSITIVE_INFINITY);

let mostMemory = 0;
const memory = setInterval(() => {
  mostMemory = Math.max(mostMemory, process.memoryUsage().rss);
}, 200);
const seconds = (since) => ((performance.now() - since) / 1000).toFixed(1);
const gigabytes = () => (mostMemory / 1e9).toFixed(2);

let started = performance.now();
const walk = await openCalibrationWalk(source, data, { executor });
for (const _ of walk.blocks.slice(0, wanted)) await walk.advance();
await walk.release();
console.log(`the walk alone: ${seconds(started)} s, ${gigabytes()} GB`);

const folder = values.out ?? (await mkdtemp(join(tmpdir(), "vlmopt-compress-")));
started = performance.now();
try {
  const { plan } = await compressCheckpoint(
    source,
    { glu: Number(values.glu), heads: Number(values.heads) },
    join(folder, "model"),
    {
      baseModel: positionals[0],
      overwrite: true,
      signal: stop.signal,
      quantize: { scheme: schemeNamed(values.quantize) },
      onBlock(done, total) {
        console.log(`block ${done} of ${total}: ${seconds(started)} s, ${gigabytes()} GB`);
        if (done >= wanted) stop.abort(new Error("as many blocks as wanted"));
      },
      calibration: async () => ({
        about: { source: "random tokens" },
        algebra: executor.linearAlgebra,
        fingerprint: "random tokens",
        walk: (dropped) => openCalibrationWalk(source, data, { executor, dropped }),
        distances: () => Promise.reject(new Error("no layers go")),
      }),
    },
  );
  console.log(`compressed: ${seconds(started)} s, ${gigabytes()} GB, ${JSON.stringify(plan.after)}`);
} catch (error) {
  if (!stop.signal.aborted) throw error;
} finally {
  clearInterval(memory);
  if (values.out === undefined) await rm(folder, { recursive: true, force: true });
}

// Shrinks all-MiniLM-L6-v2 to fixtures/encoders/minilm: its first four layers, with embeddings and linears in 8 bits and the rest in f16.
// The packages must have been built.
// Run: node tools/train/minilm.mjs <folder of the original> fixtures/encoders/minilm
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { quantizeCheckpoint } from "../../packages/quant/dist/index.js";
import { drop, fileSink, openCheckpoint, rewriteCheckpoint } from "../../packages/tensor-io/dist/index.js";

const LAYERS = 4;
const SCHEME = { format: "int-quantized", groupSize: 32, scales: "absmax" };

const [original, target] = process.argv.slice(2);
if (target === undefined) throw new Error("usage: minilm.mjs <folder of the original> <folder to write>");
const scratch = mkdtempSync(join(tmpdir(), "vlmopt-minilm-"));
try {
  const halved = join(scratch, "model.safetensors");
  const whole = await openCheckpoint(join(original, "model.safetensors"));
  const dropUnused = ({ name }) => {
    const layer = Number(/^encoder\.layer\.(\d+)\./.exec(name)?.[1] ?? 0);
    return layer >= LAYERS || /^pooler\.|position_ids$/.test(name) ? drop() : undefined;
  };
  await rewriteCheckpoint(whole, dropUnused, fileSink(halved), { dtype: "F16" });
  await whole.close();

  const source = await openCheckpoint(halved);
  const tensors = [...source.tensors.keys()].filter((name) =>
    /word_embeddings|^encoder\..*(query|key|value|dense)\.weight$/.test(name),
  );
  const size = { bytes: 0, bitsPerWeight: 0 };
  const plan = { version: 1, made: {}, kept: [], joined: [], config: [], before: size, after: size };
  mkdirSync(target, { recursive: true });
  const { tensorBytes } = await quantizeCheckpoint(
    source,
    { ...plan, groups: [{ scheme: SCHEME, tensors }] },
    fileSink(join(target, "model.safetensors"), { overwrite: true }),
  );
  await source.close();

  for (const file of ["tokenizer.json", "tokenizer_config.json"])
    copyFileSync(join(original, file), join(target, file));
  const config = JSON.parse(readFileSync(join(original, "config.json"), "utf8"));
  writeFileSync(
    join(target, "config.json"),
    `${JSON.stringify({ ...config, num_hidden_layers: LAYERS }, null, 2)}\n`,
  );
  console.log(`${target}: ${tensors.length} weights in 8 bits, ${(tensorBytes / 1e6).toFixed(1)} MB in all`);
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

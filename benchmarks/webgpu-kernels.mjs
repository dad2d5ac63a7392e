// Products of one token and of many with matrices of LLaMA-7B's shapes on a graphics card: bytes of weights a second beside what a copy
// reaches, and floating-point operations a second.
//   node benchmarks/webgpu-kernels.mjs [--schemes F16,int4,nf4] [--rounds 20]
import { parseArgs } from "node:util";
import { modelWeights, webgpuExecutor } from "@vlmopt/engine";
import { llavaConfig } from "./llava-shapes.mjs";
import { randomCheckpoint } from "./random-checkpoint.mjs";
import { printTable } from "./side-by-side.mjs";

const { values } = parseArgs({
  options: {
    schemes: { type: "string", default: "F16,int4,nf4" },
    rounds: { type: "string", default: "20" },
    tokens: { type: "string", default: "1,650" },
  },
});
const shapes = {
  "q+k+v": ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"],
  o: ["self_attn.o_proj"],
  gate·up: ["mlp.gate_proj", "mlp.up_proj"],
  down: ["mlp.down_proj"],
};
const LAYERS = 8;
const rows = [["", "tokens", "µs", "GB/s of weights", "TFLOP/s"]];
for (const scheme of values.schemes.split(",")) {
  const checkpoint = randomCheckpoint(llavaConfig(LAYERS), scheme);
  const executor = await webgpuExecutor();
  for (const [name, parts] of Object.entries(shapes)) {
    const weights = await modelWeights(checkpoint);
    const k = name === "down" ? 11008 : 4096;
    const inputs = { x: { dtype: "F32", shape: [1, undefined, k] }, row: { dtype: "I32", shape: [1] } };
    const run = (ops, { x, row }) => {
      let last;
      for (let layer = 0; layer < LAYERS; layer++) {
        const y = parts.map((part) =>
          ops.linear(
            x,
            [...weights.specs.keys()].find(
              (n) => n.includes(`layers.${layer}.${part}.weight`) && !n.includes("vision"),
            ),
          ),
        );
        last = name === "gate·up" ? ops.gated(y[0], y[1], "silu") : y.at(-1);
        last = ops.takeRows(last, row);
      }
      return { last };
    };
    const bytes = [...checkpoint.tensors.values()]
      .filter((t) =>
        parts.some((part) => t.name.includes(`language_model`) && t.name.includes(`.0.${part}.weight`)),
      )
      .reduce((a, t) => a + t.byteLength, 0);
    const flops = parts
      .map(
        (part) =>
          weights.specs.get(
            [...weights.specs.keys()].find(
              (n) => n.includes(`layers.0.${part}.weight`) && !n.includes("vision"),
            ),
          ).shape,
      )
      .reduce((a, [r, c]) => a + 2 * r * c, 0);
    const prepared = await executor.prepare({ inputs, run }, weights);
    for (const tokens of values.tokens.split(",").map(Number)) {
      const x = {
        shape: [1, tokens, k],
        data: Float32Array.from({ length: tokens * k }, (_, i) => Math.sin(i)),
      };
      const given = { x, row: { shape: [1], data: Int32Array.of(0) } };
      const rounds = Number(values.rounds);
      let out;
      for (let i = 0; i < 3; i++) out = (await prepared.run(given)).last;
      const check = (await out.read()).slice(0, 3);
      const started = performance.now();
      for (let i = 0; i < rounds; i++) out = (await prepared.run(given)).last;
      await out.read();
      const us = ((performance.now() - started) * 1000) / rounds / LAYERS;
      rows.push([
        `${scheme} ${name}`,
        String(tokens),
        us.toFixed(1),
        (bytes / us / 1000).toFixed(0),
        ((flops * tokens) / us / 1e6).toFixed(1),
      ]);
      console.log(rows.at(-1).join("  "), check.join(" "));
    }
    await prepared.release();
  }
}
printTable(rows);
process.exit(0);

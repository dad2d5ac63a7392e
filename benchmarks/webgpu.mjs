// LLaVA-1.5-7B's shapes with random weights, fewer layers or neurons if told, on a graphics card: first token and decode, at 650 tokens
// of prompt with a picture. `vlmopt bench --random-weights` does the same for any configuration.
//   node benchmarks/webgpu.mjs [--schemes int4-g128,int3-g128,int2-g128,nf4,f16] [--tokens 128] [--layers 32] [--neurons 11008] [--rounds 3]
import { parseArgs } from "node:util";
import { measureShapes, shapeTable } from "@vlmopt/bench";
import { llavaConfig } from "./llava-shapes.mjs";
import { printTable } from "./side-by-side.mjs";

const { values } = parseArgs({
  options: {
    schemes: { type: "string", default: "int4-g128,int3-g128,int2-g128,nf4,f16" },
    tokens: { type: "string", default: "128" },
    layers: { type: "string", default: "32" },
    neurons: { type: "string", default: "11008" },
    rounds: { type: "string", default: "3" },
  },
});
const config = llavaConfig(Number(values.layers));
config.text_config.intermediate_size = Number(values.neurons);
const summary = await measureShapes(config, {
  schemes: values.schemes.split(","),
  executor: "webgpu",
  newTokens: Number(values.tokens),
  repetitions: Number(values.rounds),
});
const { head, rows } = shapeTable(summary);
if (rows.length > 0) printTable([head, ...rows]);
for (const { scheme, error } of summary.schemes.filter(({ error }) => error !== null)) {
  console.error(`error: ${scheme}: ${error}`);
  process.exitCode = 1;
}

import { basename } from "node:path";
import type { Checkpoint } from "@vlmopt/tensor-io";
import type { QuantizationPlan } from "./quantization-plan.ts";

/** A model card (README.md of a model folder) that says how which model was quantized, with the sizes before and after. */
export function quantizationCard(plan: QuantizationPlan, baseModel: string): string {
  return `---
base_model: ${JSON.stringify(baseModel)}
base_model_relation: quantized
library_name: transformers
tags:
- vlmopt
- quantized
---

# ${baseModel}, quantized

Made by vlmopt; \`quantization.json\` holds the plan with all names.
${quantizationSection(plan)}`;
}

/** A model card that says that weights of few bits were written as plain ones. */
export function dequantizationCard(baseModel: string): string {
  return `---
base_model: ${JSON.stringify(baseModel)}
library_name: transformers
tags:
- vlmopt
---

# ${baseModel}, dequantized

Made by vlmopt: weights that were stored in few bits are plain numbers again. What quantizing them lost does not come back.
`;
}

/** What a checkpoint is called, in cards: its folder, or the end of its URL. */
export function modelName({ folder, location }: Checkpoint): string {
  return basename(folder ?? location);
}

/** The part of a card that tells of quantization, for models to which something else was done, too. */
export function quantizationSection({ before, after, groups, kept, made }: QuantizationPlan): string {
  const quantized = groups.reduce((sum, { tensors }) => sum + tensors.length, 0);
  const whole = kept.reduce((sum, { tensors }) => sum + tensors.length, 0);
  const share = before.bytes === 0 ? "" : `${((100 * after.bytes) / before.bytes).toFixed(1)} %`;
  const stays = whole === 0 ? "" : ` ${whole} more stay as they are.`;
  return `
## Quantization

${quantized} linears are stored in fewer bits.${stays} Expect answers that differ from the original's.

| | before | after | |
|---|---:|---:|---:|
| bytes | ${before.bytes.toLocaleString("en-US")} | ${after.bytes.toLocaleString("en-US")} | ${share} |
| bits a weight of those linears | ${before.bitsPerWeight.toFixed(2)} | ${after.bitsPerWeight.toFixed(2)} | |

| how | |
|---|---|
${Object.entries(made)
  .map(([key, value]) => `| ${key} | ${value} |`)
  .join("\n")}
`;
}

import type { ModelSize, PruningPlan } from "./plan/pruning-plan.ts";

/** A model card (README.md of a model folder) that says what was done to which model, with the sizes before and after. */
export function pruningCard(plan: PruningPlan, baseModel: string): string {
  const row = (name: string, of: (size: ModelSize) => number) => {
    const [before, after] = [of(plan.before), of(plan.after)];
    const share = before === 0 ? "" : `${((100 * after) / before).toFixed(1)} %`;
    return `| ${name} | ${before.toLocaleString("en-US")} | ${after.toLocaleString("en-US")} | ${share} |`;
  };
  const made = Object.entries(plan.made).map(([key, value]) => `| ${key} | ${value} |`);
  return `---
base_model: ${JSON.stringify(baseModel)}
base_model_relation: finetune
library_name: transformers
tags:
- vlmopt
- pruned
---

# ${baseModel}, pruned

Made by vlmopt from the weights alone: no calibration, no recovery training. Expect worse answers
than the original's, the more so the more was removed; \`pruning.json\` holds the plan with all indices.

| | before | after | |
|---|---:|---:|---:|
${row("parameters", (size) => size.parameters)}
${row("bytes", (size) => size.bytes)}
${row("layers", (size) => size.layers)}
${row("neurons of a layer's MLP", (size) => size.neurons)}
${row("attention heads", (size) => size.heads)}
${row("key-value heads", (size) => size.kvHeads)}
${row("FLOPs a token, linears of the layers", (size) => size.flopsPerToken)}

| how | |
|---|---|
${made.join("\n")}
`;
}

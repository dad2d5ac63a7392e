import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { chooseUnits, planSizes } from "@vlmopt/pruning";
import { planQuantization, quantizeCheckpoint } from "@vlmopt/quant";
import { type Checkpoint, openCheckpoint } from "@vlmopt/tensor-io";
import { expect, onTestFinished, test } from "vitest";
import { readModel } from "../read-model.ts";
import { requestAfter } from "../renumbered-overrides.ts";
import { chooseFormats } from "./choose-formats.ts";
import type { MeasuredLinears } from "./measure-formats.ts";
import { budgetNamed, type QuantizationBudget } from "./quantization-budget.ts";

const llava = fileURLToPath(new URL("../../../../fixtures/checkpoints/llava", import.meta.url));
const names = "int3-g16,int4-g16,int8+2.down=int8";

/** Losses that fall with bits, and are greater in layers that come later. */
function losses(source: Checkpoint, gone: readonly number[] = []): MeasuredLinears[] {
  const prefix = "language_model.model.layers";
  const units = [
    ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"],
    ["self_attn.o_proj"],
    ["mlp.gate_proj", "mlp.up_proj"],
    ["mlp.down_proj"],
  ];
  return [0, 1, 2]
    .filter((layer) => !gone.includes(layer))
    .flatMap((layer) =>
      units.map((unit, i) => ({
        tensors: unit.map((linear) => `${prefix}.${layer}.${linear}.weight`),
        losses: [64, 16, 0.1].map((loss) => loss * (1 + layer + i)),
      })),
    )
    .filter(({ tensors }) => source.tensors.has(tensors[0] as string));
}

async function chosen(target: Pick<QuantizationBudget, "bits" | "bytes">, drop: readonly number[] = []) {
  const source = await openCheckpoint(llava);
  onTestFinished(() => source.close());
  const model = await readModel(source);
  const { budget, ...request } = budgetNamed(names, "best", target);
  const sizes = planSizes(model, drop.length === 0 ? {} : { depth: { drop } });
  const plan = chooseUnits(model, sizes, {});
  const found = await chooseFormats(source, model, plan, request, budget, losses(source, drop));
  return { ...found, source, model, plan, request: { ...request, overrides: found.overrides } };
}

test.each([5.7, 6, 6.6, 8])(
  "linears take %f bits a weight at most, in the mean, and not much less",
  async (bits) => {
    const { source, model, request, chosen: found } = await chosen({ bits });
    const plan = planQuantization(model.description as never, source.tensors, request);
    expect(plan.after.bitsPerWeight).toBeLessThanOrEqual(bits);
    expect(plan.after.bitsPerWeight).toBeGreaterThan(bits - 0.35);
    // What was said of some linears holds, and nothing is chosen for them.
    expect(found.linears.flatMap(({ tensors }) => tensors)).not.toContain(
      "language_model.model.layers.2.mlp.down_proj.weight",
    );
    const groupOf = (part: string) =>
      plan.groups.find(({ tensors }) => tensors.some((name) => name.includes(part)));
    expect(groupOf("2.mlp.down_proj")?.scheme.format).toBe("int-quantized");
    // What is read together is stored alike.
    for (const { tensors } of found.linears)
      expect(
        plan.groups.filter((group) => tensors.some((name) => group.tensors.includes(name))),
      ).toHaveLength(1);
  },
);

test("the file of weights is as large as was allowed, or a little smaller", async () => {
  const folder = await mkdtemp(join(tmpdir(), "vlmopt-budget-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const sizeOf = async (bytes: number) => {
    const { source, model, request } = await chosen({ bytes });
    const plan = planQuantization(model.description as never, source.tensors, request);
    const out = join(folder, String(bytes));
    await quantizeCheckpoint(source, plan, out);
    return (await stat(join(out, "model.safetensors"))).size;
  };
  const least = await sizeOf(1e9);
  for (const bytes of [least - 2000, least - 6000]) {
    const size = await sizeOf(bytes);
    expect(size).toBeLessThanOrEqual(bytes);
    expect(size).toBeGreaterThan(bytes - 3000);
  }
});

test("layers have the numbers that they have in the dense model, until they are renumbered", async () => {
  const { model, plan, overrides, request } = await chosen({ bits: 6.2 }, [0]);
  expect([...new Set(overrides.flatMap(({ layers }) => layers ?? []))].sort()).toEqual([1, 2]);
  const { overrides: after = [] } = requestAfter(request, model.layers, plan);
  expect([...new Set(after.flatMap(({ layers }) => layers ?? []))].sort()).toEqual([0, 1]);
});

test("what nothing can keep within is refused, with the least that can be", async () => {
  await expect(chosen({ bits: 2 })).rejects.toThrow(
    /^linears of 2 bits a weight are not among .* is \d\.\d+$/,
  );
  await expect(chosen({ bytes: 1000 })).rejects.toThrow(/^the model does not fit into 1000 bytes: the least/);
});

import type { IntegerLayout } from "../formats/quantized-weight.ts";
import type { CheckedModel } from "./checked-model.ts";
import { joinedLinears, methodOf } from "./common-problems.ts";
import type { Fact, Problem } from "./loader.ts";

/** What is known of Marlin, the kernel for weights of 4 and 8 bits, in a server. */
export interface MarlinFacts {
  /** `GPTQMarlinConfig.TYPE_MAP`. */
  readonly symmetric: Fact;
  readonly tiles: Fact;
  readonly groups: Fact;
  /** Bits of compressed-tensors' packed weights. */
  readonly bits: Fact;
  readonly heads: Fact;
}

const TILE_OUTPUTS = 64;
const TILE_INPUTS = 128;
const groupSizes = [32, 64, 128];

/** Formats, groups and shapes of weights, on each rank. */
export function marlinProblems(model: CheckedModel, facts: MarlinFacts): Problem[] {
  const method = methodOf(model);
  const isPacked = method === "compressed-tensors" || method === "gptq" || method === "awq";
  return [...(isPacked ? packedProblems(model, method, facts) : []), ...rankProblems(model, facts.heads)];
}

function packedProblems(model: CheckedModel, method: string, facts: MarlinFacts): Problem[] {
  const problems: Problem[] = [];
  const layouts = [...model.quantized.values()].flatMap(({ format, weight: { layout, shape } }) =>
    layout.kind === "integers" && format.name !== "int-quantized" ? [{ layout, columns: shape[1] ?? 0 }] : [],
  );
  const widths = new Set(layouts.map(({ layout }) => layout.bits));
  const others = [...widths].filter((bits) => bits !== 4 && bits !== 8);
  if (others.length > 0) {
    const known = method === "gptq" ? "Marlin" : "the server";
    problems.push({
      certain: method === "compressed-tensors",
      message: `weights have ${others.join(" and ")} bits, and ${known} takes 4 and 8`,
      cure: "quantize to int4-g128",
      fact: method === "gptq" ? facts.symmetric : facts.bits,
    });
  }
  if (method === "gptq" && model.quantization?.sym !== true) {
    problems.push({
      certain: false,
      message: "GPTQ's weights have zero points (sym is not true), so a slow kernel takes them, not Marlin",
      cure: "quantize with --scheme gptq, which is symmetric, or int4-g128-zero",
      fact: facts.symmetric,
    });
  }
  const odd = layouts.find(({ layout, columns }) => !isMarlinGroup(layout, columns));
  if (odd !== undefined) {
    problems.push({
      certain: false,
      message: `weights have groups of ${odd.layout.groupSize}, and Marlin takes 32, 64, 128 and whole rows`,
      cure: "quantize in groups of 128",
      fact: facts.groups,
    });
  }
  if (layouts.length > 0) problems.push(...tileProblems(model, facts.tiles));
  return problems;
}

function isMarlinGroup({ groupSize }: IntegerLayout, columns: number): boolean {
  return groupSizes.includes(groupSize) || groupSize === columns;
}

function tileProblems(model: CheckedModel, fact: Fact): Problem[] {
  const ranks = model.tensorParallel;
  return joinedLinears(model)
    .filter(({ isQuantized }) => isQuantized)
    .flatMap(({ name, side, inputs, outputs }) => {
      const [own, wide] = side === "column" ? [inputs, outputs / ranks] : [inputs / ranks, outputs];
      if (own % TILE_INPUTS === 0 && wide % TILE_OUTPUTS === 0) return [];
      const each = ranks === 1 ? "" : ` on each of ${ranks} ranks`;
      return [
        {
          certain: false,
          message: `${name} ${own} → ${wide}${each} do not fill Marlin's tiles of ${TILE_INPUTS} inputs and ${TILE_OUTPUTS} outputs`,
          cure: "prune to multiples of 128 neurons for each rank (compress --divisor), or leave these weights plain",
          fact,
        },
      ];
    });
}

function rankProblems({ description, tensorParallel: ranks }: CheckedModel, fact: Fact): Problem[] {
  const attention = description?.languageModel.layers[0]?.attention;
  if (attention === undefined || ranks === 1) return [];
  const { numHeads, numKvHeads } = attention;
  if (numHeads % ranks === 0 && (numKvHeads % ranks === 0 || ranks % numKvHeads === 0)) return [];
  return [
    {
      certain: true,
      message: `${numHeads} heads and ${numKvHeads} of keys and values cannot be shared by ${ranks} ranks`,
      cure: "take a number of ranks that divides them",
      fact,
    },
  ];
}

import type { Linear } from "@vlmopt/models";
import { layerRoles } from "../checkpoint/scheme-overrides.ts";
import { compressedTensors } from "../formats/compressed-tensors.ts";
import { moduleNames } from "../formats/module-names.ts";
import type { CheckedModel } from "./checked-model.ts";
import type { Fact, Problem } from "./loader.ts";

/** Without a configuration, or with one of other weights, nothing loads anywhere. */
export function configurationProblems({ config, mismatch, location }: CheckedModel, fact: Fact): Problem[] {
  if (Object.keys(config).length === 0) {
    const message = `there is no readable config.json in ${location}`;
    return [{ certain: true, message, cure: "put the model's own config.json beside its weights", fact }];
  }
  if (mismatch === undefined) return [];
  // Of families that vlmopt does not know, it cannot say more.
  const isKnown = !/is not known|unknown/.test(mismatch);
  return [{ certain: isKnown, message: mismatch, cure: "take config.json and weights of one model", fact }];
}

/** Loaders take config.json's numbers for every layer. */
export function widthProblems({ textConfig }: CheckedModel, fact: Fact): Problem[] {
  const lists = ["intermediate_size", "num_attention_heads", "num_key_value_heads", "ffn_dim"].filter((key) =>
    Array.isArray(textConfig[key]),
  );
  return lists.map((key) => ({
    certain: true,
    message: `${key} of config.json is a list, a number for each layer`,
    cure: "prune every layer to the same width (compress without --allocate global)",
    fact,
  }));
}

/** What turns texts and pictures into what the model reads. */
export function fileProblems(
  { description, has }: CheckedModel,
  facts: { readonly tokenizer: Fact; readonly processor: Fact },
): Problem[] {
  const problems: Problem[] = [];
  if (!["tokenizer.json", "tokenizer.model", "vocab.json"].some(has)) {
    problems.push({
      certain: true,
      message: "there is no tokenizer beside the weights (tokenizer.json, tokenizer.model or vocab.json)",
      cure: "copy the tokenizer's files of the original model into the folder",
      fact: facts.tokenizer,
    });
  }
  const sees = description?.visionTower !== undefined;
  if (sees && !["preprocessor_config.json", "processor_config.json"].some(has)) {
    problems.push({
      certain: true,
      message: "the model sees, and there is no preprocessor_config.json or processor_config.json beside it",
      cure: "copy the processor's files of the original model into the folder",
      fact: facts.processor,
    });
  }
  return problems;
}

export function methodOf({ quantization }: CheckedModel): string | undefined {
  const method = quantization?.quant_method;
  return typeof method === "string" ? method : undefined;
}

export function methodProblems(model: CheckedModel, methods: readonly string[], fact: Fact): Problem[] {
  const method = methodOf(model);
  if (method === undefined || methods.includes(method)) return [];
  const message = `quant_method is "${method}", which is not among its methods`;
  return [{ certain: true, message, cure: `quantize to one of ${methods.join(", ")}`, fact }];
}

/**
 * compressed-tensors' list of what is not quantized against what is: a linear that config.json takes for quantized and is not, or the other way, is
 * looked for under tensors that the file does not have.
 */
export function ignoreListProblems(model: CheckedModel, fact: Fact): Problem[] {
  const { description, quantization, quantized } = model;
  if (description === undefined || quantization === undefined || methodOf(model) !== "compressed-tensors")
    return [];
  const config = { ignore: [], config_groups: {}, ...quantization };
  const wrong = description.weights.filter((weight) => {
    if (weight.shape.length !== 2 || !linearRoles.has(weight.role) || !weight.name.endsWith(".weight"))
      return false;
    const isQuantized = quantized.has(weight.name);
    return moduleNames(weight).some(
      (name) => (compressedTensors.says?.(config, name) !== undefined) !== isQuantized,
    );
  });
  const [first] = wrong;
  if (first === undefined) return [];
  const is = quantized.has(first.name)
    ? "is quantized, and config.json ignores it"
    : "is plain, and config.json does not ignore it";
  return [
    {
      certain: true,
      message: `${first.name} ${is} under one of the names that loaders have for it (${wrong.length} linears of the kind)`,
      cure: `name them in "ignore" of quantization_config by patterns that fit every prefix, such as "re:.*vision_tower.*"`,
      fact,
    },
  ];
}

const linearRoles: ReadonlySet<string> = new Set(layerRoles);

/** Linears of the text model as servers compute them: those that take the same input are one. */
export function joinedLinears({ description, quantized }: CheckedModel): JoinedLinear[] {
  const joined = (name: string, side: "column" | "row", linears: readonly Linear[]): JoinedLinear => ({
    name,
    side,
    inputs: linears[0]?.inFeatures ?? 0,
    outputs: linears.reduce((sum, { outFeatures }) => sum + outFeatures, 0),
    isQuantized: linears.some(({ weight }) => quantized.has(weight)),
  });
  return (description?.languageModel.layers ?? [])
    .slice(0, 1)
    .flatMap(({ attention: { qProj, kProj, vProj, oProj }, mlp }) => [
      joined("q, k and v", "column", [qProj, kProj, vProj]),
      joined("o", "row", [oProj]),
      ...(mlp.kind === "gated"
        ? [joined("gate and up", "column", [mlp.gateProj, mlp.upProj]), joined("down", "row", [mlp.downProj])]
        : [joined("fc1", "column", [mlp.fc1]), joined("fc2", "row", [mlp.fc2])]),
    ]);
}

export interface JoinedLinear {
  readonly name: string;
  /** Whether ranks share its outputs or its inputs. */
  readonly side: "column" | "row";
  readonly inputs: number;
  readonly outputs: number;
  readonly isQuantized: boolean;
}

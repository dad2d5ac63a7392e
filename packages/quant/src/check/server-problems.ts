import type { CheckedModel } from "./checked-model.ts";
import {
  configurationProblems,
  fileProblems,
  ignoreListProblems,
  methodProblems,
  widthProblems,
} from "./common-problems.ts";
import type { Fact, Problem } from "./loader.ts";
import { type MarlinFacts, marlinProblems } from "./marlin.ts";

/** What is known of a server that loads safetensors by Marlin, and text models from GGUF. */
export interface ServerFacts {
  readonly methods: Fact;
  readonly config: Fact;
  readonly widths: Fact;
  readonly ignore: Fact;
  readonly tokenizer: Fact;
  readonly gguf: Fact;
}

/**
 * @param methods of quantization that the server knows
 * @param ofMethod other problems with the model's method
 */
export function serverProblems(
  model: CheckedModel,
  methods: readonly string[],
  facts: ServerFacts,
  marlin: MarlinFacts,
  ofMethod: readonly Problem[] = [],
): Problem[] {
  if (model.isGguf) {
    const sees = model.description?.visionTower !== undefined;
    return [
      {
        certain: sees,
        message: sees
          ? "a model that sees is in GGUF files"
          : "the model is in a GGUF file, which runs slowly",
        cure: "vlmopt convert it to safetensors, and quantize to int4-g128",
        fact: facts.gguf,
      },
    ];
  }
  return [
    ...configurationProblems(model, facts.config),
    ...methodProblems(model, methods, facts.methods),
    ...ofMethod,
    ...widthProblems(model, facts.widths),
    ...ignoreListProblems(model, facts.ignore),
    ...fileProblems(model, { tokenizer: facts.tokenizer, processor: facts.tokenizer }),
    ...marlinProblems(model, marlin),
  ];
}

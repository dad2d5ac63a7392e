import { anything, func, listOf, name, object, oneOf, type Rules, whole } from "@vlmopt/options";
import type { QuantizeToGgufOptions } from "../gguf/quantize-to-gguf.ts";
import { ggufFileTypes } from "../gguf/tensor-types.ts";
import type { QuantizationRequest } from "./plan-quantization.ts";
import type { SchemeOverride } from "./scheme-overrides.ts";

const places = {
  components: listOf(oneOf(["visionTower", "projector", "qFormer", "languageModel"]), { least: 1 }),
  roles: listOf(name, { least: 1 }),
} as const;

export const overrideRules: Rules<SchemeOverride> = {
  scheme: object,
  ...places,
  layers: listOf(whole({ from: 0 }), { least: 1 }),
};

export const requestRules: Rules<QuantizationRequest> = {
  scheme: object,
  ...places,
  overrides: listOf(object),
  skip: listOf(name),
  otherGroupSizes: listOf(whole()),
  formats: anything,
  made: anything,
};

export const ggufRules: Rules<QuantizeToGgufOptions> = {
  type: oneOf(ggufFileTypes),
  vision: oneOf(["f16", "f32", "none"]),
  name,
  tokenizer: oneOf(["none"]),
  signal: object,
  onProgress: func,
};

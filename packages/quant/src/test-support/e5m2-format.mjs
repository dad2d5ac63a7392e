import { formatStage } from "@vlmopt/quant";
import { convert } from "@vlmopt/tensor-io";

/** Weights as 8-bit floats of E5M2, without scales. */
export const e5m2 = {
  name: "e5m2",
  schemes: ["e5m2"],
  module: import.meta.url,
  parse: (name) => (name === "e5m2" ? { format: "e5m2" } : undefined),
  fit: (scheme) => scheme,
  outputs: ({ name, shape }) => [{ name, dtype: "F8_E5M2", shape }],
  encode: ({ dtype }, _scheme, { measure }) => ({
    push(bytes) {
      const codes = convert(bytes, dtype, "F8_E5M2");
      measure({ dtype, bytes }, () => convert(codes, "F8_E5M2", "F32"));
      return [codes];
    },
  }),
  config: { method: "e5m2", settings: () => ({}), write: () => ({ quant_method: "e5m2" }) },
  find: async (_source, { name, dtype, shape }) =>
    dtype === "F8_E5M2"
      ? { name, weight: { shape, dtype: "F32", layout: { kind: "other" }, beside: {} }, parts: [] }
      : undefined,
  decode: (_weight, target) => ({ push: (codes) => [convert(codes, "F8_E5M2", target)] }),
};

export const createStage = formatStage([e5m2]);

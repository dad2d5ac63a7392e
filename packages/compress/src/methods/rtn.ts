import { encodeMatrix } from "@vlmopt/quant";
import type { QuantizationMethod } from "./quantization-method.ts";

/** Each weight by itself, as the format rounds; what the walk gives it is that errors are told, and blocks behind see it. */
export const rtn: QuantizationMethod = {
  name: "rtn",
  summary: "each weight to the nearest number of its format",
  gram: false,
  refit: false,
  async round(linears) {
    return linears.map(({ format, scheme, tensor, data, magnitude }) =>
      encodeMatrix(format, scheme, tensor, data, { magnitude }),
    );
  },
};

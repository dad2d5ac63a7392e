import type { FloatDtype } from "../weights.ts";

/** PyTorch's names of dtypes. */
export const torchDtypes: Readonly<Record<FloatDtype, string>> = {
  F32: "float32",
  F16: "float16",
  BF16: "bfloat16",
};

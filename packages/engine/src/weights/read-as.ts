import type { Dtype } from "@vlmopt/tensor-io/browser";

/** The dtype that executors read weights in whose own none of them knows: every number of 8 bits is one of F16, too. */
export function readAs(dtype: Dtype): "F16" | "F32" | undefined {
  if (dtype === "F8_E4M3" || dtype === "F8_E5M2") return "F16";
  return dtype === "F64" ? "F32" : undefined;
}

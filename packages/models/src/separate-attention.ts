import type { Attention } from "./description.ts";
import type { WeightScope } from "./weight-list.ts";

/** A layer's attention with q, k, v and `out_proj` each as wide as the layer, as OPT and CLIP have it. */
export function separateAttention(
  layer: WeightScope,
  hiddenSize: number,
  numHeads: number,
  bias: boolean,
): Attention {
  const projection = (role: "qProj" | "kProj" | "vProj" | "oProj", name: string) =>
    layer.linear(role, `self_attn.${name}`, hiddenSize, hiddenSize, bias);
  return {
    kind: "separate",
    qProj: projection("qProj", "q_proj"),
    kProj: projection("kProj", "k_proj"),
    vProj: projection("vProj", "v_proj"),
    oProj: projection("oProj", "out_proj"),
    numHeads,
    numKvHeads: numHeads,
    headDim: Math.floor(hiddenSize / numHeads),
  };
}

import type { DecoderMethod } from "./method.ts";

/** Layers that see every token. */
const WHOLE_LAYERS = 2;

export const fastv: DecoderMethod = {
  name: "fastv",
  summary:
    "inside of the decoder, behind its second layer, by the last token's attention there (FastV, arXiv:2403.06764)",
  place: "decoder",
  ranking: "last layer",
  cuts: (layers) => [Math.min(WHOLE_LAYERS, layers - 1)],
  keeps: (keep) => [keep],
};

import type { DecoderMethod } from "./method.ts";

const QUARTERS = [1, 2, 3];

export const pyramiddrop: DecoderMethod = {
  name: "pyramiddrop",
  summary:
    "inside of the decoder, the same share behind each quarter of its layers, by the last token's attention in the next (PyramidDrop, arXiv:2410.17247)",
  place: "decoder",
  ranking: "next layer",
  cuts: (layers) => [...new Set(QUARTERS.map((quarter) => Math.max(1, Math.round((quarter * layers) / 4))))],
  keeps: (keep, tokens) =>
    QUARTERS.map((quarter) => (quarter === 3 ? keep : Math.floor(tokens * (keep / tokens) ** (quarter / 3)))),
};

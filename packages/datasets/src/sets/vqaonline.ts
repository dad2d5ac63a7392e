import { checkOptions, oneOf } from "@vlmopt/options";
import { type HubSetOptions, hubSet, hubSetRules } from "./hub-set.ts";
import type { VqaSet } from "./vqa-set.ts";

/** Where the hub keeps VQAonline (Chen et al., "Fully Authentic Visual Question Answering Dataset from Online Communities", 2024). */
export const VQAONLINE_REPOSITORY = "datasets/ChongyanChen/VQAonline";

export const vqaonlineSplits = ["train", "val", "test"] as const;
export type VqaonlineSplit = (typeof vqaonlineSplits)[number];

export interface VqaonlineOptions extends Omit<HubSetOptions, "split" | "columns" | "files" | "imageRoot"> {
  /** `train` (665 questions), `val` (285) or `test` (63,746; 133 MB). Default `val`. */
  readonly split?: VqaonlineSplit;
}

/**
 * VQAonline: questions with images from Stack Exchange, answers of 173 words on average, 105 topics; CC BY-SA 4.0. Its records name
 * images without the folder (`images1/` to `images7/`), which the hub's listing tells.
 */
export async function vqaonline(options: VqaonlineOptions = {}): Promise<VqaSet> {
  checkOptions<object>("vqaonline", options, { ...hubSetRules, split: oneOf(vqaonlineSplits) });
  const { split = "val" } = options;
  return hubSet(VQAONLINE_REPOSITORY, { ...options, split, files: [`${split}.json`] });
}

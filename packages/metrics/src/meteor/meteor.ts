import type { Metric } from "../metric.ts";
import { type NltkMeteorOptions, nltkMeteor } from "./nltk-meteor.ts";

export type MeteorOptions = NltkMeteorOptions;

/**
 * METEOR (Banerjee & Lavie 2005). Two metrics bear the name, and their numbers differ: NLTK's, which Hugging Face's evaluate reports, and
 * version 1.5 (Denkowski & Lavie 2014), the Java tool of the COCO caption evaluation.
 */
export function meteor(options: MeteorOptions = {}): Metric {
  return nltkMeteor(options);
}

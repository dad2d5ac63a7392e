import type { Metric } from "../metric.ts";
import { type Meteor15Options, meteor15 } from "./meteor15.ts";
import { type NltkMeteorOptions, nltkMeteor } from "./nltk-meteor.ts";

export type MeteorOptions = NltkMeteorOptions | Meteor15Options;

/**
 * METEOR (Banerjee & Lavie 2005). Two metrics bear the name, and their numbers differ: NLTK's, the default, which Hugging Face's evaluate
 * reports; and version 1.5 (Denkowski & Lavie 2014), the Java tool of the COCO caption evaluation.
 */
export function meteor(options: MeteorOptions = {}): Metric {
  return options.variant === "1.5" ? meteor15(options) : nltkMeteor(options);
}

import type { ConfigReader } from "../config-reader.ts";
import type { LanguageModel, VisionTower } from "../description.ts";
import type { WeightList } from "../weight-list.ts";

/** A kind of model. A new one is one file beside this one, and a line in `index.ts`. */
export interface Family {
  /** `model_type` of config.json. */
  readonly modelTypes: readonly string[];
  /** Promises the tensors of a configuration, under the names that the file at hand gives them. */
  describe(
    config: ConfigReader,
    list: WeightList,
  ): { languageModel: LanguageModel; visionTower: VisionTower | undefined };
}

/** The text model's part of a configuration; flat ones, as the first Qwen2-VL's, hold it at the top. */
export function textPart(
  config: ConfigReader,
  fallbackType: string,
): { text: ConfigReader; modelType: string } {
  const isFlat = fallbackType === "qwen2_vl" || fallbackType === "qwen2_5_vl";
  if (isFlat && !config.has("text_config")) return { text: config, modelType: fallbackType };
  const text = config.child("text_config");
  return { text, modelType: text.text("model_type", fallbackType) };
}

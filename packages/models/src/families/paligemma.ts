import { describeDecoder } from "../decoder.ts";
import { describeVisionTower, siglip } from "../vision-tower.ts";
import { type Family, textPart } from "./family.ts";

/** PaliGemma (arXiv:2407.07726) and PaliGemma 2: SigLIP, one linear, Gemma or Gemma 2. */
export const paligemma: Family = {
  modelTypes: ["paligemma"],
  describe(config, list) {
    const tower = list.component(
      "visionTower",
      [
        "vision_tower.vision_model.",
        "vision_tower.",
        "model.vision_tower.vision_model.",
        "model.vision_tower.",
      ],
      "embeddings.patch_embedding.weight",
    );
    const visionTower = describeVisionTower(tower, config.child("vision_config"), siglip);
    const { text, modelType } = textPart(config, "gemma");
    const languageModel = describeDecoder(
      list,
      text,
      modelType,
      { body: ["language_model.model.", "model.language_model."], lmHead: ["language_model.", ""] },
      config.flag("tie_word_embeddings", true),
    );
    list
      .component("projector", ["multi_modal_projector.", "model.multi_modal_projector."], "linear.weight")
      .linear("projector", "linear", languageModel.hiddenSize, visionTower.hiddenSize, true);
    return { languageModel, visionTower };
  },
};

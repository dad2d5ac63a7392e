import { describeDecoder } from "../decoder.ts";
import { describeVisionTower, siglip } from "../vision-tower.ts";
import { type Family, textPart } from "./family.ts";

/** Idefics3 (arXiv:2408.12637) and SmolVLM: SigLIP, pixels shuffled into channels, one linear, Llama. */
export const idefics3: Family = {
  modelTypes: ["idefics3", "smolvlm"],
  describe(config, list) {
    const tower = list.component(
      "visionTower",
      ["model.vision_model.", "vision_model."],
      "embeddings.patch_embedding.weight",
    );
    const traits = { ...siglip, hiddenSize: 1152, heads: 16, patchSize: 32 };
    const visionTower = describeVisionTower(tower, config.child("vision_config"), traits);
    const { text, modelType } = textPart(config, "llama");
    const languageModel = describeDecoder(
      list,
      text,
      modelType,
      { body: ["model.text_model.", "text_model."], lmHead: [""] },
      config.flag("tie_word_embeddings", false),
    );
    const shuffled = visionTower.hiddenSize * config.size("scale_factor", 2) ** 2;
    list
      .component("projector", ["model.connector.", "connector."], "modality_projection.proj.weight")
      .linear("projector", "modality_projection.proj", languageModel.hiddenSize, shuffled, false);
    return { languageModel, visionTower };
  },
};

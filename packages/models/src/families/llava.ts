import { describeDecoder } from "../decoder.ts";
import { clip, describeVisionTower, siglip } from "../vision-tower.ts";
import { type Family, textPart } from "./family.ts";

/** LLaVA-1.5 and 1.6 (arXiv:2310.03744): CLIP, a two-layer projector, Llama or Mistral. */
export const llava: Family = {
  modelTypes: ["llava", "llava_next"],
  describe(config, list) {
    const vision = config.child("vision_config");
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
    const isSiglip = vision.text("model_type", "clip_vision_model") === "siglip_vision_model";
    const visionTower = describeVisionTower(tower, vision, isSiglip ? siglip : clip);

    const { text, modelType } = textPart(config, "llama");
    const languageModel = describeDecoder(
      list,
      text,
      modelType,
      { body: ["language_model.model.", "model.language_model."], lmHead: ["language_model.", ""] },
      config.flag("tie_word_embeddings", false),
    );

    const projector = list.component(
      "projector",
      ["multi_modal_projector.", "model.multi_modal_projector."],
      "linear_1.weight",
    );
    const { hiddenSize } = languageModel;
    const bias = config.flag("multimodal_projector_bias", true);
    // Features of several vision layers may stand side by side.
    const features = visionTower.hiddenSize * config.count("vision_feature_layer");
    projector.linear("projector", "linear_1", hiddenSize, features, bias);
    projector.linear("projector", "linear_2", hiddenSize, hiddenSize, bias);
    if (config.text("model_type") === "llava_next") {
      list
        .component("projector", ["", "language_model.model.", "model."], "image_newline")
        .weight("other", "image_newline", [hiddenSize]);
    }
    return { languageModel, visionTower };
  },
};

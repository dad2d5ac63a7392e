import { decoderTypes, describeDecoder } from "../decoder.ts";
import type { Family } from "./family.ts";

/** The text models by themselves. */
export const text: Family = {
  modelTypes: decoderTypes.filter((type) => !type.includes("_vl")),
  describe(config, list) {
    const modelType = config.text("model_type");
    const body = modelType === "opt" ? ["model.decoder.", "decoder."] : ["model.", ""];
    const languageModel = describeDecoder(list, config, modelType, { body, lmHead: [""] }, false);
    return { languageModel, visionTower: undefined };
  },
};

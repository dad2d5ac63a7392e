import type { Fact, Loader, Problem } from "../loader.ts";

const own = (says: string, source: string): Fact => ({ says, source: `vlmopt, ${source}`, date: "2026-11" });
const facts = {
  model: own(
    "configuration and weights are held against each other",
    "packages/models/src/describe-model.ts",
  ),
  tokenizer: own("tokenizer.json is read", "packages/engine/src/text/tokenizer.ts"),
  processor: own("an image processor's file is read", "packages/engine/src/images/load-image-processor.ts"),
};

export const vlmopt: Loader = {
  name: "vlmopt",
  check({ description, mismatch, config, location, has }) {
    const problem = (message: string, cure: string, fact: Fact): Problem => ({
      certain: true,
      message,
      cure,
      fact,
    });
    if (Object.keys(config).length === 0) {
      return [
        problem(
          `there is no readable config.json in ${location}`,
          "name the folder of a whole model",
          facts.model,
        ),
      ];
    }
    if (description === undefined)
      return [problem(mismatch ?? "", "take config.json and weights of one known model", facts.model)];
    const sees = description.visionTower !== undefined;
    return [
      ...(has("tokenizer.json")
        ? []
        : [
            problem(
              "there is no tokenizer.json",
              "save the model's fast tokenizer beside its weights",
              facts.tokenizer,
            ),
          ]),
      ...(!sees || has("preprocessor_config.json") || has("processor_config.json")
        ? []
        : [
            problem(
              "there is no preprocessor_config.json or processor_config.json",
              "copy the original model's",
              facts.processor,
            ),
          ]),
    ];
  },
};

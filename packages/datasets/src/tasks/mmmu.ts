import { instructions } from "./instructions.ts";
import { defineTask } from "./task.ts";

export const mmmu = defineTask({
  name: "mmmu",
  title: "MMMU (Yue et al. 2024), validation",
  hub: {
    repository: "lmms-lab-encoder/MMMU",
    split: "validation",
    fields: {
      id: "id",
      question: "question",
      answer: "answer",
      choices: "options",
      // Of these, the ones that the question names: <image 1> …
      image: ["image_1", "image_2", "image_3", "image_4", "image_5", "image_6", "image_7"],
      kind: "question_type",
      category: "subfield",
    },
  },
  prompts: {
    "lmms-eval": `{{question}}\n{{#choices}}{{choices | lettered}}\n${instructions.letter}{{/choices}}{{^choices}}${instructions.shortAnswer}{{/choices}}`,
  },
  reading: { field: "kind", cases: { "multiple-choice": "mmmu-letter" }, otherwise: "mmmu-open" },
  metrics: ["mmmu"],
  maxNewTokens: 128,
});

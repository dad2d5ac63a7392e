import { instructions } from "./instructions.ts";
import { defineTask } from "./task.ts";

const fields = { id: "question_id", question: "question", answer: "answers" };

export const textvqa = defineTask({
  name: "textvqa",
  title: "TextVQA (Singh et al. 2019), validation",
  hub: {
    repository: "lmms-lab-encoder/textvqa",
    split: "validation",
    fields: { ...fields, image: "image", ocr: "ocr_tokens" },
  },
  files: { files: ["*TextVQA_0.5.1_val.json"], fields: { ...fields, image: "{{image_id}}.jpg" } },
  prompts: {
    "lmms-eval": `{{question | capitalize}}${instructions.shortAnswer}`,
    // Its questions have the words that Rosetta read in the picture; the authors' file has none.
    "llava-1.5": `{{question}}{{#ocr}}\nReference OCR token: {{ocr | comma}}{{/ocr}}${instructions.shortAnswer}`,
  },
  metrics: ["vqa-accuracy"],
  maxNewTokens: 16,
});

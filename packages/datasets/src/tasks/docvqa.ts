import { instructions } from "./instructions.ts";
import { defineTask } from "./task.ts";

const fields = { id: "questionId", question: "question", answer: "answers", image: "image" };

export const docvqa = defineTask({
  name: "docvqa",
  title: "DocVQA (Mathew et al. 2021), validation",
  hub: { repository: "lmms-lab-encoder/DocVQA", config: "DocVQA", split: "validation", fields },
  files: { files: ["*val_v1.0*.json"], fields },
  prompts: { "lmms-eval": `{{question}}${instructions.shortAnswer}` },
  metrics: ["anls-lmms"],
  maxNewTokens: 32,
});

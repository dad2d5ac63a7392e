import { instructions } from "./instructions.ts";
import { defineTask } from "./task.ts";

const prompt = `{{question | strip}}${instructions.shortAnswer}`;

export const pope = defineTask({
  name: "pope",
  title: "POPE (Li et al. 2023)",
  hub: {
    repository: "lmms-lab-encoder/POPE",
    config: "data",
    split: "test",
    fields: { question: "question", answer: "answer", image: "image", category: "category" },
  },
  files: {
    files: ["*coco_pope_*.json"],
    fields: { question: "text", answer: "label", image: "image" },
  },
  prompts: { "lmms-eval": prompt, "llava-1.5": prompt },
  reading: "lower",
  readsReferences: true,
  metrics: ["pope"],
  maxNewTokens: 128,
});

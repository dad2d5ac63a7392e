import { instructions } from "./instructions.ts";
import { defineTask } from "./task.ts";

const prompt = `{{question}}${instructions.shortAnswer}`;

export const gqa = defineTask({
  name: "gqa",
  title: "GQA (Hudson and Manning 2019), test-dev, balanced",
  hub: {
    repository: "lmms-lab-encoder/GQA",
    config: "testdev_balanced_instructions",
    split: "testdev",
    pictures: { config: "testdev_balanced_images", split: "testdev", key: "id", image: "image" },
    fields: { id: "id", question: "question", answer: "answer", image: "imageId" },
  },
  files: {
    files: ["*testdev_balanced_questions.json"],
    fields: { id: "key", question: "question", answer: "answer", image: "{{imageId}}.jpg" },
  },
  prompts: { "lmms-eval": prompt, "llava-1.5": prompt },
  metrics: ["exact-match-lmms"],
  maxNewTokens: 16,
});

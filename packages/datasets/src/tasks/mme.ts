import { instructions } from "./instructions.ts";
import { defineTask } from "./task.ts";

const prompt = `{{question | strip | without-yes-or-no}}${instructions.shortAnswer}`;

export const mme = defineTask({
  name: "mme",
  title: "MME (Fu et al. 2023)",
  hub: {
    repository: "lmms-lab-encoder/MME",
    split: "test",
    // Both questions of a picture bear its name.
    fields: {
      question: "question",
      answer: "answer",
      image: "image",
      category: "category",
      unit: "{{category}}/{{question_id}}",
    },
  },
  prompts: { "lmms-eval": prompt, "llava-1.5": prompt },
  reading: "yes-no",
  readsReferences: true,
  metrics: ["mme"],
  headline: "mme-perception",
  full: 2000,
  maxNewTokens: 16,
});

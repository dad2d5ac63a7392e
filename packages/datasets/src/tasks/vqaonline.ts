import { defineTask } from "./task.ts";

export const vqaonline = defineTask({
  name: "vqaonline",
  title: "VQAonline (Chen et al. 2024), val",
  hub: {
    repository: "ChongyanChen/VQAonline",
    split: "val",
    fields: { question: "question", answer: "answer", image: "image", category: "topic", context: "context" },
  },
  prompts: {
    question: "{{question}}",
    "with-context": "{{question}}{{#context}}\n{{context}}{{/context}}",
  },
  metrics: ["rouge-coco", "meteor"],
  maxNewTokens: 256,
});

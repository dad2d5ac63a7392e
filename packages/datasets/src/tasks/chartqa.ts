import { instructions } from "./instructions.ts";
import { defineTask } from "./task.ts";

export const chartqa = defineTask({
  name: "chartqa",
  title: "ChartQA (Masry et al. 2022), test",
  hub: {
    repository: "lmms-lab-encoder/ChartQA",
    split: "test",
    // human_test or augmented_test
    fields: { question: "question", answer: "answer", image: "image", category: "type" },
  },
  files: {
    files: ["*test_human.json", "*test_augmented.json"],
    fields: { question: "query", answer: "label", image: "imgname" },
  },
  prompts: { "lmms-eval": `{{question}}${instructions.singleWord}` },
  metrics: ["relaxed-accuracy"],
  maxNewTokens: 16,
});

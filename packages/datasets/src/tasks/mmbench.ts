import { instructions } from "./instructions.ts";
import { defineTask } from "./task.ts";

const fields = {
  id: "index",
  question: "question",
  answer: "answer",
  image: "image",
  choices: ["A", "B", "C", "D", "E"],
  hint: "hint",
  category: "category",
  unit: "index",
};

export const mmbench = defineTask({
  name: "mmbench",
  title: "MMBench (Liu et al. 2023), English, dev",
  hub: { repository: "lmms-lab-encoder/MMBench", config: "en", split: "dev", fields },
  files: { files: ["*mmbench_dev*.tsv", "*MMBench_DEV_EN*.tsv"], fields },
  nothing: ["nan", "none", "None", "NaN"],
  // A question's rounds have numbers that differ by millions.
  unitModulo: 1_000_000,
  prompts: {
    "lmms-eval": `{{#hint}}{{hint}} {{/hint}}{{question}} There are several options:\n{{choices | lettered}}\n${instructions.letter}`,
    "llava-1.5": `{{#hint}}{{hint}}\n{{/hint}}{{question}}\n{{choices | lettered}}${instructions.letter}`,
  },
  reading: "mmbench-letter",
  metrics: ["circular"],
  maxNewTokens: 1024,
});

import { defineTask } from "./task.ts";

export const ocrbench = defineTask({
  name: "ocrbench",
  title: "OCRBench (Liu et al. 2023)",
  hub: {
    repository: "echo840/OCRBench",
    split: "test",
    fields: {
      question: "question",
      answer: "answer",
      image: "image",
      category: "question_type",
      source: "dataset",
    },
  },
  files: {
    files: ["*OCRBench.json"],
    fields: {
      question: "question",
      answer: "answers",
      image: "image_path",
      category: "type",
      source: "dataset_name",
    },
  },
  prompts: { "lmms-eval": "{{question | strip}}" },
  // Formulas are compared without blanks, and with their capitals.
  reading: { field: "source", cases: { HME100k: "text-without-blanks" }, otherwise: "folded-text" },
  readsReferences: true,
  metrics: ["ocrbench"],
  headline: "ocrbench-accuracy",
  maxNewTokens: 128,
});

import { instructions } from "./instructions.ts";
import { defineTask } from "./task.ts";

const instruction = instructions.unanswerable + instructions.shortAnswer;

export const vizwiz = defineTask({
  name: "vizwiz",
  title: "VizWiz-VQA (Gurari et al. 2018), validation",
  hub: {
    repository: "lmms-lab-encoder/VizWiz-VQA",
    split: "val",
    fields: {
      id: "question_id",
      question: "question",
      answer: "answers",
      image: "image",
      category: "category",
    },
  },
  files: {
    files: ["*val.json"],
    fields: {
      id: "image",
      question: "question",
      answer: "answers.answer",
      image: "image",
      category: "answer_type",
    },
  },
  prompts: {
    "lmms-eval": `{{question | capitalize}}${instruction}`,
    "llava-1.5": `{{question}}${instruction}`,
  },
  metrics: ["vqa-accuracy"],
  maxNewTokens: 16,
});

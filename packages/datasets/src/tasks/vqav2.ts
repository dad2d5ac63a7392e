import { instructions } from "./instructions.ts";
import { defineTask } from "./task.ts";

const prompt = `{{question}}${instructions.shortAnswer}`;

export const vqav2 = defineTask({
  name: "vqav2",
  title: "VQAv2 (Goyal et al. 2017), validation",
  hub: {
    repository: "lmms-lab-encoder/VQAv2",
    split: "validation",
    fields: { id: "question_id", question: "question", answer: "answers.answer", image: "image" },
  },
  files: {
    files: ["*OpenEnded_mscoco_val2014_questions.json"],
    joined: { files: ["*mscoco_val2014_annotations.json"], by: "question_id" },
    fields: {
      id: "question_id",
      question: "question",
      answer: "answers.answer",
      image: "COCO_val2014_{{image_id | coco-number}}.jpg",
    },
  },
  prompts: { "lmms-eval": prompt, "llava-1.5": prompt },
  metrics: ["vqa-accuracy"],
  maxNewTokens: 16,
});

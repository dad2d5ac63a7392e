/** What LLaVA-1.5's evaluation and lmms-eval put behind questions, so that models answer in the form that is scored. */
export const instructions = {
  shortAnswer: "\nAnswer the question using a single word or phrase.",
  singleWord: "\nAnswer the question with a single word.",
  letter: "\nAnswer with the option's letter from the given choices directly.",
  unanswerable: "\nWhen the provided information is insufficient, respond with 'Unanswerable'.",
  box: "Bounding box coordinates are specified in the format (top-left x, top-left y, bottom-right x, bottom-right y). All values are floating point numbers bounded between 0 and 1. Please provide the bounding box coordinate of the region this sentence describes: ",
} as const;

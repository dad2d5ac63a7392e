import { withoutImageMarks } from "@vlmopt/engine";

/** A piece of a prompt: text, or the place of the next picture. */
export type PromptPart = { readonly type: "text"; readonly text: string } | { readonly type: "image" };

/**
 * The user's message in the order in which a model is shown it, the same whatever answers: pictures where `<image>` stands for each of them, else before the
 * question.
 */
export function promptParts(question: string, pictures: number): PromptPart[] {
  const pieces = question.split("<image>");
  if (pictures > 0 && pieces.length === pictures + 1) {
    return pieces.flatMap((piece, i): PromptPart[] => [
      ...(i === 0 ? [] : [{ type: "image" } as const]),
      ...(piece.trim() === "" ? [] : [{ type: "text", text: piece.trim() } as const]),
    ]);
  }
  const before = Array.from({ length: pictures }, (): PromptPart => ({ type: "image" }));
  return [...before, { type: "text", text: pictures === 0 ? question : withoutImageMarks(question) }];
}

/** The same in one text, for records: `<image>What is this?` */
export function promptText(question: string, pictures: number): string {
  return promptParts(question, pictures)
    .map((part) => (part.type === "text" ? part.text : "<image>"))
    .join("");
}

import type { Message } from "./message.ts";

/**
 * A question without the `<image>` that data for LLaVA have before or behind it: whoever asks about pictures gives them beside the text, and
 * the model's template or the server places them. One in the middle of a text stays, since words are missing without it.
 */
export function withoutImageMarks(text: string): string {
  return text.replace(/^(?:\s*<image>)+\s*/, "").replace(/\s*(?:<image>\s*)+$/, "");
}

/** The same of every text of messages that show pictures. */
export function messageWithoutImageMarks(message: Message): Message {
  const { role, content } = message;
  if (typeof content === "string" || !content.some(({ type }) => type === "image")) return message;
  return {
    role,
    content: content.map((part) =>
      part.type === "text" ? { ...part, text: withoutImageMarks(part.text) } : part,
    ),
  };
}

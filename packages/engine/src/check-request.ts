import { checkOptions, OptionError } from "@vlmopt/options";
import { messageRules, requestRules } from "./option-rules.ts";
import type { Request } from "./prompt-reader.ts";

const KINDS = ["prompt", "messages", "raw"] as const;

/**
 * A question that can be read: one prompt, conversation or raw text, and pictures.
 * @param call what it is given to, as errors name it
 * @throws {OptionError} that names what is wrong
 */
export function checkRequest(call: string, request: Request): void {
  if (typeof request !== "object" || request === null)
    throw new OptionError(`${call}: the request is no object`);
  checkOptions<object>(call, request, requestRules);
  const given = KINDS.filter((kind) => (request as Readonly<Record<string, unknown>>)[kind] !== undefined);
  if (given.length !== 1) {
    const found = given.length === 0 ? "none of them" : given.join(" and ");
    throw new OptionError(`${call}: a request has one of ${KINDS.join(", ")}, and this has ${found}`);
  }
  if (!("messages" in request) || request.messages === undefined) return;
  for (const [i, message] of request.messages.entries()) {
    const place = `${call}: message ${i}`;
    checkOptions(place, message, messageRules);
    if (message.role === undefined || message.content === undefined) {
      throw new OptionError(`${place} has no ${message.role === undefined ? "role" : "content"}`);
    }
    const parts = typeof message.content === "string" ? [] : message.content;
    for (const [j, part] of parts.entries()) {
      const isRight = part.type === "image" || (part.type === "text" && typeof part.text === "string");
      if (!isRight)
        throw new OptionError(`${place}: part ${j} is neither {type: "text", text: …} nor {type: "image"}`);
    }
  }
}

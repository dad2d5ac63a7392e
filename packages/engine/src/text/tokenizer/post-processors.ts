import type { Part } from "./part.ts";

/** Puts special tokens around those of a text. */
export type PostProcess = (ids: readonly number[]) => number[];

/** @throws {TokenizerError} where it is none that is known */
export function postProcessor(
  part: Part | undefined,
  idOf: (token: string) => number | undefined,
): PostProcess {
  if (part === undefined) return (ids) => [...ids];
  switch (part.type) {
    case "Sequence": {
      const steps = part.parts("processors").map((one) => postProcessor(one, idOf));
      return (ids) => steps.reduce<number[]>((made, step) => step(made), [...ids]);
    }
    case "TemplateProcessing":
      return template(part);
    case "BertProcessing":
    case "RobertaProcessing": {
      const [before, after] = ["cls", "sep"].map((name) => {
        const [token, id] = part.list(name);
        const own = typeof id === "number" ? id : idOf(String(token));
        if (own === undefined) throw part.wrong(name, "a token and its number");
        return own;
      });
      return (ids) => [before as number, ...ids, after as number];
    }
    case "ByteLevel":
      return (ids) => [...ids];
    default:
      throw part.unknown("post-processor");
  }
}

function template(part: Part): PostProcess {
  const special = part.part("special_tokens");
  const pieces = part.parts("single").map((piece) => {
    const token = piece.part("SpecialToken");
    if (token === undefined) {
      if (piece.part("Sequence") === undefined)
        throw piece.wrong("Sequence", "a sequence or a special token");
      return undefined;
    }
    const ids = special?.part(token.text("id"))?.list("ids") ?? [];
    if (ids.length === 0 || !ids.every((id) => Number.isInteger(id))) {
      throw part.wrong("special_tokens", `numbers of the token ${JSON.stringify(token.text("id"))}`);
    }
    return ids as readonly number[];
  });
  return (ids) => pieces.flatMap((piece) => piece ?? ids);
}

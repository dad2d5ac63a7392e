import { readFileSync } from "node:fs";
import { openSources } from "@vlmopt/tensor-io";
import { loadTokenizer, type Tokenizer } from "../text/tokenizer.ts";

/** The tokenizer of fixtures/tiny-llava, with other contents of its files. */
export async function tokenizerWith(files: Readonly<Record<string, object | string>>): Promise<Tokenizer> {
  const fixture = new URL("../../../../fixtures/tiny-llava/", import.meta.url);
  const own = (name: string): string | undefined => {
    if (name.startsWith("chat_template")) return undefined;
    try {
      return readFileSync(new URL(name, fixture), "utf8");
    } catch {
      return undefined;
    }
  };
  const checkpoint = await openSources([], "the folder");
  return loadTokenizer({
    ...checkpoint,
    async readSibling(name) {
      const [before, content] = [own(name), files[name]];
      const text =
        typeof content === "object" ? JSON.stringify({ ...JSON.parse(before ?? "{}"), ...content }) : content;
      return text === undefined && before === undefined
        ? undefined
        : new TextEncoder().encode(text ?? before);
    },
  });
}

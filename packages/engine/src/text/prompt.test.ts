import { readFileSync } from "node:fs";
import { openSources } from "@vlmopt/tensor-io";
import { describe, expect, test } from "vitest";
import { promptTokens } from "./prompt.ts";
import { tokenStream } from "./token-stream.ts";
import { loadTokenizer, type Tokenizer } from "./tokenizer.ts";
import { TokenizerError } from "./tokenizer-error.ts";

interface TextGolden {
  readonly imageToken: number;
  readonly cases: readonly {
    readonly text: string;
    readonly pictures: number;
    readonly ids: readonly number[];
    readonly imageTokens: number;
    readonly tiles?: readonly (readonly [number, number])[];
  }[];
  readonly plain: readonly {
    readonly text: string;
    readonly ids: readonly number[];
    readonly decoded: string;
  }[];
}

/** By tools/reference/engine_text.py. */
const folder = new URL("../../goldens/", import.meta.url);
const goldens = JSON.parse(readFileSync(new URL("text.json", folder), "utf8")) as Record<string, TextGolden>;

async function tokenizerOf(family: string, files: Record<string, string> = {}): Promise<Tokenizer> {
  const checkpoint = await openSources([], "goldens");
  return loadTokenizer({
    ...checkpoint,
    async readSibling(name) {
      const text = files[name];
      if (text !== undefined) return new TextEncoder().encode(text);
      try {
        return readFileSync(new URL(`text/${family}/${name}`, folder));
      } catch {
        return undefined;
      }
    },
  });
}

describe.each(Object.keys(goldens))("%s", (family) => {
  const golden = goldens[family] as TextGolden;

  test("encodes and decodes as transformers does", async () => {
    const tokenizer = await tokenizerOf(family);
    for (const { text, ids, decoded } of golden.plain) {
      expect(tokenizer.encode(text)).toEqual(ids);
      expect(tokenizer.decode(ids)).toBe(decoded);
    }
  });

  test("asks about pictures as its processor does", async () => {
    const tokenizer = await tokenizerOf(family);
    const model = { modelType: family, imageToken: golden.imageToken };
    for (const { text, pictures, ids, imageTokens, tiles } of golden.cases) {
      const images = Array.from({ length: pictures }, (_, i) => {
        const features = { rows: imageTokens / pictures };
        const cut = tiles?.[i];
        return cut === undefined ? { features } : { features, tiles: cut };
      });
      expect(promptTokens(tokenizer, model, { prompt: text }, images)).toEqual(ids);
      if (pictures === 0) continue;
      // LLaVA's data mark pictures within the question; the template places them.
      const marks = "<image>\n".repeat(pictures);
      expect(promptTokens(tokenizer, model, { prompt: `${marks}${text}` }, images)).toEqual(ids);
      expect(promptTokens(tokenizer, model, { prompt: `${text}\n${marks.trim()}` }, images)).toEqual(ids);
    }
  });

  test("streams text that adds up to what the tokens decode to", async () => {
    const tokenizer = await tokenizerOf(family);
    for (const { ids, decoded } of golden.plain) {
      const stream = tokenStream(tokenizer);
      const pieces = [...ids.map((id) => stream.push(id)), stream.finish()];
      expect(pieces.join("")).toBe(decoded);
      expect(pieces.slice(0, -1).some((piece) => piece.includes("\uFFFD"))).toBe(false);
    }
  });
});

describe("prompts", () => {
  test("are refused where their places for pictures are not as many as the pictures", async () => {
    const tokenizer = await tokenizerOf("llava");
    const model = { modelType: "llava", imageToken: goldens.llava?.imageToken };
    const images = [{ features: { rows: 4 } }];
    expect(() => promptTokens(tokenizer, model, { raw: "no place for one" }, images)).toThrow(
      "the prompt has places for 0 pictures, but 1 were given",
    );
  });

  test("keep a mark within the text, and one that no picture was given for", async () => {
    const tokenizer = await tokenizerOf("llava");
    const model = { modelType: "llava", imageToken: goldens.llava?.imageToken };
    const ask = (prompt: string, pictures: number) => () =>
      promptTokens(tokenizer, model, { prompt }, new Array(pictures).fill({ features: { rows: 4 } }));
    expect(ask("What is in <image>, and where?", 1)).toThrow("places for 2 pictures, but 1 were given");
    expect(ask("<image>\nWhat is it?", 0)).toThrow("places for 1 pictures, but 0 were given");
  });

  test("of LLaVA without a template ask as its authors did", async () => {
    const tokenizer = await tokenizerOf("llava", { "chat_template.jinja": "" });
    const model = { modelType: "llava", imageToken: goldens.llava?.imageToken };
    const ids = promptTokens(tokenizer, model, { prompt: "Why?" }, [{ features: { rows: 1 } }]);
    expect(ids).toEqual(tokenizer.encode("USER: <image>\nWhy? ASSISTANT:"));
    const marked = { prompt: "<image>\nWhy?" };
    expect(promptTokens(tokenizer, model, marked, [{ features: { rows: 1 } }])).toEqual(ids);
  });
});

describe("a template that goes through parts, as LLaVA-1.5's does", () => {
  const template =
    "{% for message in messages %}{{ message['role'].upper() + ': ' }}" +
    "{% for part in message['content'] | selectattr('type', 'equalto', 'image') %}{{ '<image>\\n' }}{% endfor %}" +
    "{% for part in message['content'] | selectattr('type', 'equalto', 'text') %}{{ part['text'] + ' ' }}{% endfor %}" +
    "{% endfor %}{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}";

  test.each([[{ prompt: "Why?" }], [{ messages: [{ role: "user", content: "Why?" }] }]] as const)(
    "is asked without a picture too: %o",
    async (question) => {
      const tokenizer = await tokenizerOf("llava", { "chat_template.jinja": template });
      const model = { modelType: "llava", imageToken: goldens.llava?.imageToken };
      const ids = promptTokens(tokenizer, model, question, []);
      expect(ids).toEqual(tokenizer.encode("USER: Why? ASSISTANT:"));
    },
  );
});

describe("a tokenizer", () => {
  test.each(Object.keys(goldens))("of %s keeps blanks before punctuation, streamed too", async (family) => {
    const tokenizer = await tokenizerOf(family);
    const text = "Is it a dog ? No , it does n't bark . It 's I 'm a cat !";
    const ids = tokenizer.encode(text, false);
    expect(tokenizer.decode(ids)).toBe(text);
    const stream = tokenStream(tokenizer);
    expect([...ids.map((id) => stream.push(id)), stream.finish()].join("")).toBe(text);
  });

  test("that is missing or broken is an error that says so", async () => {
    await expect(tokenizerOf("none")).rejects.toThrow(TokenizerError);
    await expect(tokenizerOf("none")).rejects.toThrow("there is no tokenizer.json in goldens");
    await expect(tokenizerOf("none", { "tokenizer.json": "{" })).rejects.toThrow(
      "tokenizer.json of goldens is no JSON",
    );
    await expect(tokenizerOf("none", { "tokenizer.json": "{}" })).rejects.toThrow("cannot be read");
  });
});

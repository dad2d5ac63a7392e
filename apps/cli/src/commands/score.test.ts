import { spawnSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const main = fileURLToPath(new URL("../../dist/main.js", import.meta.url));
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
    [["--confidence", "95"], "Give a level between 0 and 1, such as 0.95."],
    [["--json", "--csv"], "error: option '--csv' cannot be used with option '--json'"],
    [["--retention"], "error: --retention needs --vs, the answers of the dense model"],
  ])("ends with 2 on bad usage: %j", (args, message) => {
    const { status, stderr } = score(...files, ...args);
    expect(status).toBe(2);
    expect(stderr).toContain(message);
  });

  it("says that bertscore needs an encoder", () => {
    const { status, stderr } = score(...files, "--metrics", "bertscore");
    expect(status).toBe(1);
    expect(stderr).toBe(
      "error: bertscore needs an encoder: --encoder <folder>\nhint: give one, or leave bertscore out of --metrics\n",
    );
  });
});

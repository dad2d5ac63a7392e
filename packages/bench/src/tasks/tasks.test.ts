import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { tasks } from "@vlmopt/datasets";
import { beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { openData } from "../run/open-data.ts";
import { judgeResources } from "../run/quality.ts";
import { promptParts } from "../targets/prompt-parts.ts";
import { openScorer } from "./run-judges.ts";
import { readAnswer } from "./task-units.ts";

const goldens = resolve(import.meta.dirname, "../../goldens/tasks");

interface Golden {
  /** Of MMMU, texts and places of pictures. */
  readonly prompts: readonly (string | readonly string[])[];
  readonly ids?: readonly string[];
  readonly withOcr?: readonly string[];
  readonly systems: readonly {
    readonly answers: readonly string[];
    readonly readings: readonly unknown[] | null;
    readonly scores: readonly number[];
    readonly aggregate: Readonly<Record<string, number>>;
  }[];
}

/** By lmms-eval 0.7.3 (tools/reference/bench_tasks.py). */
const expected = JSON.parse(await readFile(join(goldens, "expected.json"), "utf8")) as Record<string, Golden>;

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "vlmopt-tasks-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
});

const opened = (task: string, others: { data?: string; prompt?: string; limit?: number } = {}) =>
  openData({ data: undefined, tasks: [{ task, data: join(goldens, task), ...others }] }, folder, {
    maxFailed: 0,
  });

const resources = judgeResources({ encoder: undefined, languageModel: undefined });

describe("rows in the hub's layout give lmms-eval's prompts, readings and scores:", () => {
  it.each(Object.keys(expected))("%s", async (name) => {
    const { prompts, ids, systems } = expected[name] as Golden;
    const data = await opened(name);
    const { items } = data;
    expect(items.map(({ question, images }) => asked(question, images.length))).toEqual(
      prompts.map((prompt) => (typeof prompt === "string" ? ["<image>", prompt] : prompt)),
    );
    if (ids !== undefined && name !== "refcoco")
      expect(items.map(({ id }) => id)).toEqual(ids.map((id) => `${name}/${id}`));
    const score = await openScorer([], data, resources);
    for (const { answers, readings, scores, aggregate } of systems) {
      const said = new Map(items.map(({ id }, i) => [id, { prediction: answers[i] ?? "" }]));
      const read = items.map((item, i) => readAnswer(item, answers[i] ?? ""));
      if (readings !== null) expect(read.map(comparable)).toEqual(readings.map(comparable));
      const { measured } = await score(items, said);
      for (const [figure, value] of Object.entries(aggregate)) {
        const [first] = measured;
        const found =
          figure === ""
            ? Object.values(first?.result.aggregate ?? {})[0]
            : first?.result.aggregate[`${name}/${figure}`];
        expect(found, figure).toBeCloseTo(value, 9);
      }
      if (items.every(({ unit }) => unit === undefined) && name !== "refcoco")
        expect(measured[0]?.result.items.map((item) => Object.values(item)[0])).toEqual(
          scores.map((value) => expect.closeTo(value, 9)),
        );
    }
  });
});

describe("files as the authors have them give the same questions:", () => {
  it("VQAv2's two files, pictures named by COCO's numbers", async () => {
    const [hub, authors] = [
      await opened("vqav2"),
      await opened("vqav2", { data: join(goldens, "vqav2-authors") }),
    ];
    expect(authors.items.map(questionOf)).toEqual(hub.items.map(questionOf));
  });

  it("TextVQA's, which has no words read in the picture", async () => {
    const [hub, authors] = [
      await opened("textvqa"),
      await opened("textvqa", { data: join(goldens, "textvqa-authors") }),
    ];
    expect(authors.items.map(questionOf)).toEqual(hub.items.map(questionOf));
  });

  it("MMBench's table with bare quotes, whose later rounds name the picture of the first", async () => {
    const { items } = await opened("mmbench", { data: join(goldens, "mmbench-authors") });
    const hub = await opened("mmbench");
    expect(items.map(({ id, references, choices, unit }) => [id, references, choices, unit])).toEqual(
      hub.items.map(({ id, references, choices, unit }) => [id, references, choices, unit]),
    );
    expect(items[0]?.question).toMatch(/^What does "0" mean\? There are several options:\nA\. object 0a\n/);
    const pictures = await Promise.all(
      items.map(({ images: [image = ""] }) => readFile(join(folder, image))),
    );
    for (const [i, { unit }] of items.entries()) {
      const first = items.findIndex((item) => item.unit === unit);
      expect(pictures[i]?.equals(pictures[first] as Buffer)).toBe(true);
    }
  });
});

describe("LLaVA-1.5's prompts", () => {
  it("have words read in the picture for TextVQA", async () => {
    const { items } = await opened("textvqa", { prompt: "llava-1.5" });
    // Apart from them, lmms-eval's capitals.
    expect(items.map(({ question }) => question.toLowerCase())).toEqual(
      expected.textvqa?.withOcr?.map((prompt) => prompt.toLowerCase()),
    );
    expect(items[1]?.question).toBe(
      "what Brand is shown on sign 1?\nReference OCR token: STOP, No.1\nAnswer the question using a single word or phrase.",
    );
  });

  // As its model_vqa_mmbench.py and its converter for ScienceQA write them.
  it("part hint, question and choices of MMBench and ScienceQA otherwise", async () => {
    const { items: mmbench } = await opened("mmbench", { prompt: "llava-1.5", limit: 3 });
    expect(mmbench.at(-1)?.question).toBe(
      "What is 0?\nA. object 0b\nB. object 0a\nAnswer with the option's letter from the given choices directly.",
    );
    const { items: scienceqa } = await opened("scienceqa", { prompt: "llava-1.5", limit: 2 });
    expect(scienceqa.map(({ question }) => question)).toEqual([
      "Context: Look at the map 0.\nIt is old.\nQuestion: Which of these is number 0?\nOptions: (A) thing 0a (B) thing 0b\nAnswer with the option's letter from the given choices directly.",
      "Context: N/A\nQuestion: Which of these is number 1?\nOptions: (A) thing 1a (B) thing 1b (C) thing 1c\nAnswer with the option's letter from the given choices directly.",
    ]);
  });

  it("are refused where it was not evaluated so", async () => {
    await expect(opened("chartqa", { prompt: "llava-1.5" })).rejects.toMatchObject({
      message: 'chartqa has no prompt "llava-1.5"',
      hint: "its prompts are lmms-eval",
    });
  });
});

describe("a task of one's own", () => {
  const own = {
    name: "colours",
    title: "Colours",
    files: { files: ["*.jsonl"], fields: { question: "q", answer: "a", image: "i", choices: ["x", "y"] } },
    prompts: { plain: "{{q}}" },
    metrics: ["letter-match"],
  };

  it("is read from a file", async () => {
    const file = join(folder, "colours.yaml");
    await writeFile(
      file,
      JSON.stringify({
        ...own,
        prompts: { plain: "{{question}}\n{{choices | lettered}}" },
        reading: "first-character",
      }),
    );
    await writeFile(
      join(folder, "rows.jsonl"),
      JSON.stringify({ q: "Which?", a: "B", i: "p.png", x: "red", y: "blue" }),
    );
    await writeFile(join(folder, "p.png"), Buffer.from([0x89, 0x50, 0x4e, 0x47]));
    const { items } = await opened(file, { data: folder });
    expect(items).toMatchObject([
      { id: "colours/0", question: "Which?\nA. red\nB. blue", references: ["B"], reading: "first-character" },
    ]);
  });

  it.each([
    [{ metrics: ["blue"] }, /there is no metric "blue"/],
    [{ reading: "upside-down" }, /there is no reading "upside-down"/],
    [{ prompts: { plain: "{{question" + " | loud}}" } }, /there is no filter loud/],
    [{ prompts: { plain: "{{#question}}" } }, /{{#question}} is not closed/],
    [{ prompts: { plain: "{{picture}}" } }, /its prompt has the field picture, which it does not define/],
    [{ answerIs: "sound" }, /is no task/],
  ])("is refused where it is wrong: %j", async (wrong, problem) => {
    const file = join(folder, "colours.yaml");
    await writeFile(join(folder, "rows.jsonl"), "{}");
    await writeFile(file, JSON.stringify({ ...own, ...wrong }));
    await expect(opened(file, { data: folder })).rejects.toThrow(problem);
  });
});

it("a limit takes the first rows, over several files", async () => {
  const idsOf = async (limit: number) => (await opened("vqav2", { limit })).items.map(({ id }) => id);
  expect(await idsOf(2)).toEqual(["vqav2/9000", "vqav2/9001"]);
  expect(await idsOf(7)).toHaveLength(7);
});

it("samples take units whole", async () => {
  const { items } = await opened("mme", { limit: 4 });
  expect(items.map(({ unit }) => unit).sort()).toEqual(
    ["count", "count", "existence", "existence"].map((name) => expect.stringMatching(name)),
  );
});

it("tasks have names of their own, a prompt, and a home", () => {
  expect(new Set(tasks.map(({ name }) => name)).size).toBe(16);
  for (const { prompts, hub, files } of tasks) {
    expect(Object.keys(prompts).length).toBeGreaterThan(0);
    expect(hub ?? files).toBeDefined();
  }
});

function questionOf({
  id,
  question,
  references,
}: {
  id: string;
  question: string;
  references: readonly string[];
}) {
  return { id, question, references };
}

/** Two pictures of SEED-Bench's are shown first. */
function asked(question: string, pictures: number): string[] {
  const parts = promptParts(question, pictures).map((part) => (part.type === "text" ? part.text : "<image>"));
  const isInterleaved = parts.indexOf("<image>") !== parts.lastIndexOf("<image>") && parts[1] !== "<image>";
  return isInterleaved || parts[0] !== "<image>" ? parts : parts.slice(parts.lastIndexOf("<image>"));
}

function comparable(reading: unknown): unknown {
  // Candidates of open answers are a set.
  if (Array.isArray(reading)) return reading.toSorted();
  if (typeof reading !== "string" || !reading.startsWith("[")) return reading;
  return (JSON.parse(reading) as unknown[]).toSorted();
}

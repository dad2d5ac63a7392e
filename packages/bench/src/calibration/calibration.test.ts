import { cpSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { type Checkpoint, openCheckpoint } from "@vlmopt/tensor-io";
import { expect, onTestFinished, test } from "vitest";
import type { CalibrateSpec } from "../recipe/data-spec.ts";
import { openData } from "../run/open-data.ts";
import { calibrationItems } from "./calibration-items.ts";
import { openCalibrationSet } from "./calibration-set.ts";
import { assertUnseen } from "./scored-items.ts";

const root = resolve(import.meta.dirname, "../../../..");
const llava = join(root, "packages/engine/goldens/vlms/llava");
const scenes = join(root, "fixtures/scenes");

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "vlmopt-calibration-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}

const seeing = (source: Checkpoint) => ({ source, modelType: "llava", seesPictures: true, hash: "a" });

test("the split to calibrate on has none of the questions that are scored", async () => {
  const folder = temporaryFolder();
  const { items } = await openData({ data: { folder: scenes, split: "test" }, tasks: [] }, folder, {
    maxFailed: 0,
  });
  const set = await openCalibrationSet({ folder: scenes, split: "calibration", samples: 256 });
  expect(set).toMatchObject({ kind: "questions", name: "scenes calibration" });
  expect(set.kind === "questions" && set.questions).toHaveLength(256);
  expect(set.kind === "questions" && new Set(set.questions.map(({ pictureHash }) => pictureHash)).size).toBe(
    64,
  );
  await assertUnseen(set, items, folder);
});

test("questions that are scored are refused, by what they are and not by their names", async () => {
  const folder = temporaryFolder();
  const data = { folder: scenes, split: "test", sample: { method: "first", count: 5 } } as const;
  const { items } = await openData({ data, tasks: [] }, folder, { maxFailed: 0 });
  const copy = temporaryFolder();
  cpSync(join(scenes, "images/scene_002.png"), join(copy, "other.png"));
  const row = { id: "x", image: "other.png", answer: "I do not know.", question: items[2]?.question };
  const unlike = { ...row, id: "y", question: "Is there a picture?" };
  writeFileSync(join(copy, "train.json"), JSON.stringify([row, unlike]));
  const set = await openCalibrationSet({ folder: copy, split: "train", samples: 128 });
  await expect(assertUnseen(set, items, folder)).rejects.toThrow(
    /^1 of the 2 questions to calibrate on are among those that are scored, the first: .*train\.json: row 0: "Which shape do you see in the centre\?"$/,
  );
});

test.each<[string, (folder: string) => CalibrateSpec, string]>([
  ["no file", (folder) => ({ text: join(folder, "no.txt"), samples: 1 }), "no.txt: no such file"],
  [
    "an empty text",
    (folder) => ({ text: join(folder, "empty.txt"), samples: 1 }),
    "has no text to calibrate on",
  ],
  ["bytes", (folder) => ({ text: join(folder, "bytes.txt"), samples: 1 }), "is no text in UTF-8"],
  [
    "no rows",
    (folder) => ({ folder, split: "none", samples: 1 }),
    "nothing is left to calibrate on of 1 rows",
  ],
])("%s is refused", async (_, spec, message) => {
  const folder = temporaryFolder();
  writeFileSync(join(folder, "empty.txt"), " \n");
  writeFileSync(join(folder, "bytes.txt"), Uint8Array.of(0xff, 0xfe, 0xc3));
  writeFileSync(join(folder, "none.json"), JSON.stringify([{ question: "", image: "no.png", answer: "x" }]));
  await expect(openCalibrationSet(spec(folder))).rejects.toThrow(message);
});

test("pictures go to models that see, and texts to those that do not", async () => {
  await using source = await openCheckpoint(llava);
  const options = { cache: temporaryFolder() };
  const text = join(options.cache, "some.txt");
  writeFileSync(text, "A red circle is in the picture. ".repeat(400));
  const set = await openCalibrationSet({ text, samples: 3 });
  const blind = { source, modelType: "llama", seesPictures: false, hash: undefined };
  await expect(calibrationItems(set, seeing(source), options)).rejects.toThrow(
    "some.txt is a text, and the llava answers about pictures",
  );
  const pictures = await openCalibrationSet({ folder: scenes, split: "calibration", samples: 1 });
  await expect(calibrationItems(pictures, blind, options)).rejects.toThrow(
    "scenes calibration has pictures, and the llama sees none",
  );
  const items = await calibrationItems(set, blind, options);
  expect(items.map((item) => "ids" in item && item.ids.length)).toEqual([512, 512, 512]);
});

test("a model answers once, and its answers are kept for the same model and data", async () => {
  await using source = await openCheckpoint(llava);
  const cache = temporaryFolder();
  const asked: number[] = [];
  const options = { cache, onAnswers: (done: number) => asked.push(done) };
  const set = await openCalibrationSet({ folder: scenes, split: "calibration", samples: 3 });
  const first = await calibrationItems(set, seeing(source), options);
  expect(asked).toEqual([0, 3]);
  expect(first.every((item) => "answer" in item && (item.answer ?? []).length > 0)).toBe(true);
  expect(await calibrationItems(set, seeing(source), options)).toEqual(first);
  expect(asked).toEqual([0, 3]);
  expect(readdirSync(cache)).toHaveLength(1);
  await calibrationItems(set, { ...seeing(source), hash: "b" }, options);
  expect(readdirSync(cache)).toHaveLength(2);
});

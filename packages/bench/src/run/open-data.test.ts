import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { openData } from "./open-data.ts";

const scenes = resolve(import.meta.dirname, "../../../../fixtures/scenes");

function folderWith(rows: readonly object[], pictures: readonly string[] = ["scene_000.png"]): string {
  const folder = mkdtempSync(join(tmpdir(), "vlmopt-data-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  mkdirSync(join(folder, "images"));
  for (const name of pictures) copyFileSync(join(scenes, "images", name), join(folder, "images", name));
  writeFileSync(join(folder, "test.json"), JSON.stringify(rows));
  return folder;
}

const good = { image: "scene_000.png", question: "How many?", answer: "One." };
const opened = (folder: string, maxFailed = 0.5, notices: string[] = []) =>
  openData({ data: { folder, split: "test" }, tasks: [] }, join(folder, "run"), {
    maxFailed,
    onNotice: (notice) => notices.push(notice.replaceAll(folder, "")),
  });

test("rows that cannot be asked or scored are left out, named and counted", async () => {
  const notices: string[] = [];
  const rows = [
    good,
    { ...good, answer: null },
    { ...good, question: " " },
    { ...good, image: "scene_009.png" },
    { ...good, question: null },
    { ...good, image: null },
    good,
    good,
    { ...good, answer: [] },
    good,
    good,
    good,
    good,
  ];
  const { items, summary } = await opened(folderWith(rows), 0.5, notices);
  expect(items.map(({ id }) => id)).toEqual(["0", "6", "7", "9", "10", "11", "12"]);
  expect(summary).toMatchObject({ count: 7 });
  expect(summary.leftOut).toHaveLength(6);
  expect(notices).toEqual([
    'left out: /test.json: row 4: column "question" is empty',
    'left out: /test.json: row 5: column "image" is empty',
    "left out: /test.json: row 1 (question 1, picture scene_000.png): there is no reference answer",
    "left out: /test.json: row 2 (question 2, picture scene_000.png): the question is empty",
    'left out: /test.json: row 3 (question 3, picture scene_009.png): : there is no image "scene_009.png" among its 1',
    "left out: 1 rows more",
  ]);
});

test("more of them than the recipe allows are refused, and so is a set of which nothing is left", async () => {
  const half = folderWith([good, { ...good, answer: null }]);
  expect((await opened(half)).items).toHaveLength(1);
  await expect(opened(half, 0.4)).rejects.toThrow(
    `${half}: 1 of 2 rows cannot be asked and scored, more than the share of 0.4 that maxFailed allows; the first: ${half}/test.json: row 1`,
  );
  await expect(
    opened(folderWith([good, { ...good, image: null }, { ...good, image: null }])),
  ).rejects.toThrow(/: 2 of 3 rows cannot be asked and scored, .* row 1: column "image" is empty/);
  await expect(opened(folderWith([{ ...good, answer: null }]))).rejects.toThrow(
    /: nothing is left to ask and to score of 1 rows: .*row 0 \(question 0, .*\): there is no reference answer$/,
  );
  await expect(opened(folderWith([{ ...good, image: null }]))).rejects.toThrow(/nothing is left to ask/);
  await expect(opened(folderWith([]))).rejects.toThrow(/columns?|nothing is left/);
});

test("a picture that was mended takes the place of what an earlier run kept", async () => {
  const folder = folderWith([good], []);
  const picture = join(folder, "images/scene_000.png");
  writeFileSync(picture, "broken");
  await opened(folder);
  copyFileSync(join(scenes, "images/scene_000.png"), picture);
  const [item] = (await opened(folder)).items;
  expect(readFileSync(join(folder, "run", item?.images[0] ?? "")).equals(readFileSync(picture))).toBe(true);
});

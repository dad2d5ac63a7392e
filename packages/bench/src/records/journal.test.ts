import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { SpeedRecord } from "./bench-record.ts";
import { openJournal } from "./journal.ts";

function journalPath(): string {
  const folder = mkdtempSync(join(tmpdir(), "vlmopt-journal-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return join(folder, "results.jsonl");
}

const speed = (repetition: number, latency = 10): SpeedRecord => ({
  ...{ kind: "speed", hash: "a", repetition, ttft: 1, tokens: [1], latency, promptTokens: 3, newTokens: 2 },
});

test("what was appended is there when the file is opened again", () => {
  const path = journalPath();
  const journal = openJournal(path);
  journal.append(speed(0));
  journal.append(speed(1));
  journal.close();
  expect(openJournal(path).records).toEqual([speed(0), speed(1)]);
});

test("a line that a killed process left unfinished is dropped, and the next one stands by itself", () => {
  const path = journalPath();
  const whole = `${JSON.stringify(speed(0))}\n`;
  for (const torn of ['{"kind":"spe', JSON.stringify(speed(1))]) {
    writeFileSync(path, whole + torn);
    const journal = openJournal(path);
    expect(journal.records).toEqual([speed(0)]);
    journal.append(speed(2));
    journal.close();
    expect(readFileSync(path, "utf8")).toBe(`${whole}${JSON.stringify(speed(2))}\n`);
  }
});

test("nothing counts twice", () => {
  const path = journalPath();
  const journal = openJournal(path);
  journal.append(speed(0, 10));
  journal.append(speed(0, 99));
  expect(journal.records).toEqual([speed(0, 10)]);
  journal.close();
  appendFileSync(path, `${JSON.stringify(speed(0, 99))}\n`);
  expect(openJournal(path).records).toEqual([speed(0, 10)]);
});

test("another file is not taken for a journal", () => {
  const path = journalPath();
  writeFileSync(path, `${JSON.stringify(speed(0))}\nhello\n`);
  expect(() => openJournal(path)).toThrow(`${path}:2: is no record of a run`);
});

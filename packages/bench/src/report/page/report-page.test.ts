import { existsSync } from "node:fs";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { readRun } from "../../records/run-folder.ts";
import { writeReport } from "../write-report.ts";
import { reportPage } from "./report-page.ts";

const example = resolve(import.meta.dirname, "../../../goldens/example-run");
const executablePath = [process.env.CHROMIUM_PATH, "/usr/bin/chromium", "/usr/bin/google-chrome"].find(
  (path) => path !== undefined && existsSync(path),
);
if (executablePath === undefined) {
  console.warn(
    "The report's page is not tested in a browser: there is no Chromium; CHROMIUM_PATH names one.",
  );
}

const hostile = `</script><script>document.title = "owned"</script><img src=x onerror="document.title='owned'"> "quoted" & 'single'`;

test("what models and data say is text to the page, never code", async () => {
  const run = await readRun(example);
  const page = await reportPage({
    ...run,
    summary: {
      ...run.summary,
      name: hostile,
      dataset: { ...run.summary.dataset, leftOut: [{ place: hostile, problem: "it is empty" }] },
      variants: run.summary.variants.map((variant) => ({ ...variant, name: hostile })),
    },
    items: run.items.map((item) => ({ ...item, variant: hostile, prediction: hostile })),
  });
  expect(page.match(/<\/script>/g)).toHaveLength(2);
  expect(page).not.toContain("<img src=x");
  expect(page).toMatch(
    /<p class="notice">Rows left out: 1; the first: &lt;\/script&gt;.*: it is empty\.<\/p>/,
  );
});

describe.skipIf(executablePath === undefined)("in a browser", () => {
  let folder: string;
  let browser: Browser;
  const problems: string[] = [];
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "vlmopt-page-"));
    await cp(example, folder, { recursive: true });
    await writeReport(folder);
    browser = await chromium.launch({ executablePath: executablePath ?? "", args: ["--no-sandbox"] });
  });
  afterAll(async () => {
    await browser.close();
    await rm(folder, { recursive: true });
  });

  async function open(colorScheme: "light" | "dark" = "light", width = 1200, of = folder): Promise<Page> {
    const page = await browser.newPage({ colorScheme, viewport: { width, height: 900 } });
    page.on("pageerror", ({ message }) => problems.push(message));
    page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
    page.on("request", (request) => /^(file|data):/.test(request.url()) || problems.push(request.url()));
    await page.goto(pathToFileURL(join(of, "report.html")).href);
    return page;
  }
  const column = (page: Page, index: number) =>
    page.locator(`#variants tbody tr > *:nth-child(${index})`).allTextContents();

  test("the tokens that stayed are seen on the picture, and quality by topic", async () => {
    const run = await readRun(example);
    const name = run.summary.variants[1]?.name ?? "";
    const picture = { width: 4, height: 2, stayed: [0, 5], fit: "whole" as const };
    const html = await reportPage({
      ...run,
      summary: {
        ...run.summary,
        variants: run.summary.variants.map((variant) =>
          variant.name === name
            ? { ...variant, visualTokens: { keep: 2, method: "divprune", merge: true } }
            : variant,
        ),
      },
      items: run.items.map((item, i) => ({
        ...item,
        topic: i % 2 === 0 ? "counting" : "places",
        ...(item.variant === name ? { pictures: [picture] } : {}),
      })),
    });
    const own = await mkdtemp(join(tmpdir(), "vlmopt-tokens-"));
    onTestFinished(() => rm(own, { recursive: true }));
    await writeFile(join(own, "report.html"), html);
    const page = await open("light", 1200, own);
    expect(await page.locator(".topics thead th").allTextContents()).toEqual([
      "variant",
      "counting",
      "places",
    ]);
    await page.locator("#variants tbody tr", { hasText: name }).first().click();
    const cover = page.locator("#answers svg");
    expect(await cover.getAttribute("aria-label")).toBe("2 of the picture’s 8 tokens stayed");
    expect(await cover.locator("rect").count()).toBe(6);
    const boxes = [await page.locator(".tokens img").boundingBox(), await cover.boundingBox()];
    expect(boxes[1]?.width).toBeCloseTo(boxes[0]?.width ?? 0, 0);
    expect(boxes[1]?.height).toBeCloseTo(boxes[0]?.height ?? 0, 0);
  });

  test("the table sorts both ways, and says so", async () => {
    const page = await open();
    const heading = page.locator("#variants thead th", { hasText: /^MB/ });
    await heading.locator("button").click();
    expect(await heading.getAttribute("aria-sort")).toBe("ascending");
    const up = (await column(page, 3)).filter((text) => text !== "–").map(Number);
    expect(up).toEqual([...up].sort((a, b) => a - b));
    await heading.locator("button").click();
    expect(await heading.getAttribute("aria-sort")).toBe("descending");
    const down = (await column(page, 3)).filter((text) => text !== "–").map(Number);
    expect(down).toEqual([...up].reverse());
  });

  test("hovering names a variant, clicking shows its answers, and the next one follows", async () => {
    const page = await open();
    const mark = page.locator("#frontier .point").first();
    await mark.hover();
    const name = (await mark.getAttribute("aria-label"))?.split(":")[0] ?? "";
    expect(await page.locator(".tip strong").textContent()).toBe(name);
    await mark.click();
    const answers = page.locator("#answers");
    expect(await answers.locator("h2").textContent()).toBe(name);
    expect(
      await answers.locator("img").evaluate((image: HTMLImageElement) => image.naturalWidth),
    ).toBeGreaterThan(0);
    expect(await answers.textContent()).toContain("1 of 2");
    await answers.getByRole("button", { name: "Next" }).click();
    expect(await answers.textContent()).toContain("2 of 2");
  });

  test("everything can be done from the keyboard", async () => {
    const page = await open();
    const marks = page.locator("#frontier .point");
    await marks.first().focus();
    await page.keyboard.press("ArrowRight");
    const second = await marks.nth(1).getAttribute("aria-label");
    expect(await page.evaluate(() => document.activeElement?.getAttribute("aria-label"))).toBe(second);
    await page.keyboard.press("Enter");
    expect(await page.locator("#answers h2").textContent()).toBe(second?.split(":")[0]);
    // One stop of the Tab key for all marks.
    expect(await page.locator('#frontier .point[tabindex="0"]').count()).toBe(1);
  });

  test("axes can be chosen", async () => {
    const page = await open();
    await page.selectOption("#x-axis", "size");
    await page.selectOption("#y-axis", "aboveFloor");
    const text = await page.locator("#frontier svg[role=listbox]").textContent();
    expect(text).toContain("MB →");
    expect(text).toContain("↑ kept above chance");
  });

  test("it is dark where the reader's system is, and can be switched", async () => {
    const page = await open("dark");
    const paper = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    expect(await paper()).toBe("rgb(13, 17, 23)");
    await page.locator("#theme").click();
    expect(await paper()).toBe("rgb(255, 255, 255)");
  });

  test("answers stand beside the dense model's, and can be held to those that changed", async () => {
    const page = await open();
    const { summary, items } = await readRun(example);
    const variant = summary.variants.find(({ base, status }) => base !== null && status === "complete");
    await page
      .locator("#variants tbody tr", { hasText: variant?.name ?? "" })
      .first()
      .click();
    const heads = await page.locator("#answers .side h3").allTextContents();
    expect(heads).toEqual([variant?.base, variant?.name]);
    const said = (name: string | null | undefined) =>
      new Map(items.filter((item) => item.variant === name).map(({ id, prediction }) => [id, prediction]));
    const [ours, dense] = [said(variant?.name), said(variant?.base)];
    const changed = [...ours].filter(([id, prediction]) => dense.get(id) !== prediction).length;
    expect(await page.locator("#answers option").allTextContents()).toEqual(
      expect.arrayContaining([`all answers (${ours.size})`, `changed (${changed})`]),
    );
    await page.selectOption("#answers select", "changed");
    const text = await page.locator("#answers").textContent();
    expect(text).toContain(changed === 0 ? "No answer is so." : `1 of ${changed}`);
  });

  test("the table fits a page of 1300 pixels, with all columns that there are", async () => {
    const whole = await mkdtemp(join(tmpdir(), "vlmopt-wide-"));
    onTestFinished(() => rm(whole, { recursive: true }));
    await cp(example, whole, { recursive: true });
    const { summary } = await readRun(example);
    const retention = {
      ofDense: 0.962,
      ofDenseLow: 0.912,
      ofDenseHigh: 1.004,
      aboveFloor: 0.93,
      low: 0.84,
      high: 1.01,
      floor: 0.3,
    };
    const variants = summary.variants.map((variant) => ({
      ...variant,
      energy: { joulesPerToken: 1.23, method: "NVML" },
      q: variant.q && { ...variant.q, retention, versus: { difference: -0.1, p: 0.01, exact: true } },
      quality: [
        ...variant.quality,
        ...variant.quality.slice(0, 1).map((figure) => ({ ...figure, figure: "exact-match" })),
      ],
    }));
    await writeFile(join(whole, "summary.json"), JSON.stringify({ ...summary, variants }));
    await writeReport(whole);
    const page = await open("light", 1300, whole);
    expect(await page.locator("#variants thead th").allTextContents()).toEqual([
      ...[
        "variant",
        "weights",
        "MB",
        "first token ms",
        "token ms",
        "latency ms",
        "tokens/s",
        "memory MB",
        "J per token",
      ],
      ...["Q", "Q kept", "kept above chance", "METEOR", "exact match"],
    ]);
    const [needed = 0, given = 0] = await page
      .locator(".scroll")
      .evaluate((scroll) => [scroll.scrollWidth, scroll.clientWidth]);
    expect(needed).toBeLessThanOrEqual(given);
  });

  test("on a telephone nothing is wider than the screen", async () => {
    const page = await open("light", 400);
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(400);
  });

  test("nothing is asked of a network, and nothing goes wrong", async () => {
    expect(problems).toEqual([]);
    expect(await readFile(join(folder, "report.html"), "utf8")).not.toMatch(/(src|href)="https?:/);
  });
});

import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { fixtures, hasBrowser, openPage, ready, withoutCard } from "./test-support/open-page.ts";

describe.skipIf(!hasBrowser)("the playground", { timeout: 240_000 }, () => {
  test("takes the model that comes with it, and refuses files that are none in a sentence", async () => {
    const { page } = await openPage();
    await ready(page);
    expect(await page.locator("#status").textContent()).toMatch(/^tiny-llava: llava, 15\.\d MB, ready after/);
    await page.locator("#model-files").setInputFiles([join(fixtures, "tiny-llava/config.json")]);
    await page.locator("#status.bad").waitFor();
    expect(await page.locator("#status").textContent()).toBe(
      "Your model: there is no .safetensors file and no index",
    );
  });

  test("fits a telephone, is dark where the reader's system is, and asks nobody else for anything", async () => {
    const { page, problems } = await openPage({ width: 400, colorScheme: "dark" });
    await ready(page);
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(400);
    expect(await page.evaluate(() => getComputedStyle(document.body).backgroundColor)).toBe(
      "rgb(13, 17, 23)",
    );
    expect(problems).toEqual([]);
  });

  test("says so where there is no graphics card", async () => {
    const { page } = await openPage({ args: withoutCard });
    await page.locator("#status.bad").waitFor({ timeout: 30_000 });
    expect(await page.locator("#status").textContent()).toContain("WebGPU");
  });
});

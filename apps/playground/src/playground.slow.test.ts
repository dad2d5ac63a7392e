import { readdirSync } from "node:fs";
import { extname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { fixtures, hasBrowser, openPage, ready } from "./test-support/open-page.ts";

describe.skipIf(!hasBrowser)("the playground", { timeout: 240_000 }, () => {
  test("answers questions about pictures as the plain executor does, and takes other models' files", async () => {
    const { page, problems } = await openPage();
    await ready(page);
    await page.locator("#question").press("Enter");
    await page.locator("#timings", { hasText: "tokens" }).waitFor({ timeout: 120_000 });
    expect(await page.locator("#answer").textContent()).toBe("The picture has one large square.");
    const model = join(fixtures, "tiny-llava");
    const names = readdirSync(model).filter((name) => /^\.(safetensors|json|jinja)$/.test(extname(name)));
    await page.locator("#model-files").setInputFiles(names.map((name) => join(model, name)));
    await page.locator("#status", { hasText: "Your model: llava" }).waitFor({ timeout: 120_000 });
    await page.locator("#picture-file").setInputFiles(join(fixtures, "scenes/images/scene_001.png"));
    await page.fill("#question", "What colour is the small diamond?");
    await page.locator("#ask").click();
    await page.locator("#timings", { hasText: "tokens" }).waitFor({ timeout: 120_000 });
    expect(await page.locator("#answer").textContent()).toBe("The small diamond is green.");
    expect(problems).toEqual([]);
  });

  test("shows which of the picture's tokens went on, where not all do", async () => {
    const { page, problems } = await openPage();
    await ready(page);
    await page.locator("#visual-tokens").fill("16");
    await page.locator("#ask").click();
    await page.locator("#timings", { hasText: "tokens" }).waitFor({ timeout: 200_000 });
    expect(await page.locator("#seen svg").getAttribute("aria-label")).toBe(
      "16 of the picture's 64 tokens went on",
    );
    expect(await page.locator("#seen svg rect").count()).toBe(48);
    expect(problems).toEqual([]);
  });

  test("answers nothing about a picture that was replaced meanwhile", async () => {
    const { page, problems } = await openPage();
    await ready(page);
    await page.locator("#ask").click();
    await page.locator("#stop").waitFor();
    await page.locator("#examples button").nth(1).click();
    await page.locator("#stop").waitFor({ state: "hidden", timeout: 60_000 });
    expect(await page.locator("#question").inputValue()).toBe("What colour is the small diamond?");
    expect(await page.locator("#answer").textContent()).toBe("");
    expect(problems).toEqual([]);
  });
});

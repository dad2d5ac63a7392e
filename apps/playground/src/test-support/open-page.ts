import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join, resolve } from "node:path";
import { chromium, type Page } from "playwright-core";
import { onTestFinished } from "vitest";

const dist = resolve(import.meta.dirname, "../../dist");
export const fixtures = resolve(import.meta.dirname, "../../../../fixtures");

const executablePath = [process.env.CHROMIUM_PATH, "/usr/bin/chromium", "/usr/bin/google-chrome"].find(
  (path) => path !== undefined && existsSync(path),
);
export const hasBrowser = executablePath !== undefined;
if (!hasBrowser) console.warn("The playground is not tested: there is no Chromium; CHROMIUM_PATH names one.");

/** A graphics card in software. */
export const withCard = [
  "--enable-unsafe-webgpu",
  "--use-webgpu-adapter=swiftshader",
  "--enable-features=Vulkan",
];
export const withoutCard = ["--disable-features=WebGPU", "--disable-gpu"];

const types: Readonly<Record<string, string>> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".css": "text/css",
};

/** The built page's address, as any server of files gives it. */
async function served(): Promise<string> {
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://page");
    const path = join(dist, pathname.endsWith("/") ? join(pathname, "index.html") : pathname);
    const bytes = await readFile(path).catch(() => undefined);
    if (bytes === undefined) return response.writeHead(404).end();
    const type = types[extname(path)] ?? "application/octet-stream";
    response.writeHead(200, { "content-type": type, "content-length": bytes.length }).end(bytes);
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  onTestFinished(() => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

/**
 * Opens the page in a browser of its own.
 * @returns it, and what went wrong in it: errors, and requests to anybody but its server
 */
export async function openPage(
  options: { args?: readonly string[]; width?: number; colorScheme?: "light" | "dark" } = {},
): Promise<{ page: Page; problems: string[] }> {
  const { args = withCard, width = 1200, colorScheme = "light" } = options;
  const origin = await served();
  const browser = await chromium.launch({
    executablePath: executablePath ?? "",
    args: ["--no-sandbox", ...args],
  });
  onTestFinished(() => browser.close());
  const page = await browser.newPage({ colorScheme, viewport: { width, height: 900 } });
  const problems: string[] = [];
  page.on("pageerror", ({ message }) => problems.push(message));
  page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
  page.on("request", (request) => {
    if (!request.url().startsWith(origin) && !/^(blob|data):/.test(request.url()))
      problems.push(request.url());
  });
  await page.goto(origin);
  return { page, problems };
}

/** Waits until questions can be asked. */
export async function ready(page: Page): Promise<void> {
  await page.locator("#ask:not([disabled])").waitFor({ timeout: 90_000 });
}

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

/** Finds a file by its path below the server's address. */
export type FindFile = (path: string) => Promise<string | Uint8Array>;

const ofBuiltPage: FindFile = (path) => readFile(join(dist, path));

/** The address of files, as any server gives them, ranges too. */
async function served(find: FindFile): Promise<string> {
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://page");
    const path = pathname.replace(/\/$/, "/index.html").slice(1);
    const found = await find(path).catch(() => undefined);
    if (found === undefined) return response.writeHead(404).end();
    const bytes = Buffer.from(found);
    const type = types[extname(path)] ?? "application/octet-stream";
    const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "");
    if (range === null) {
      return response.writeHead(200, { "content-type": type, "content-length": bytes.length }).end(bytes);
    }
    const part = bytes.subarray(Number(range[1]), Number(range[2]) + 1);
    const end = Number(range[1]) + part.length - 1;
    const headers = { "content-type": type, "content-length": part.length };
    response
      .writeHead(206, { ...headers, "content-range": `bytes ${range[1]}-${end}/${bytes.length}` })
      .end(part);
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
  options: {
    args?: readonly string[];
    width?: number;
    colorScheme?: "light" | "dark";
    /** The built page's files unless told. */
    find?: FindFile;
  } = {},
): Promise<{ page: Page; problems: string[] }> {
  const { args = withCard, width = 1200, colorScheme = "light", find = ofBuiltPage } = options;
  const origin = await served(find);
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

import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { type HubServer, startHub } from "../../../../packages/datasets/src/test-support/hub-server.ts";
import { downloadCommand } from "./download.ts";

const weights = new Uint8Array(5000).fill(7);
const rows = [1, 2, 3, 4].map((number) => ({
  image: `VQAonline_${number}.png`,
  question: `What is ${number}?`,
  answer: "That.",
  topic: number % 2 === 0 ? "cooking" : "gardening",
}));

async function hub(): Promise<HubServer> {
  const server = await startHub({
    "org/model": { "config.json": "{}", "model.safetensors": weights, "pytorch_model.bin": weights },
    "datasets/ChongyanChen/VQAonline": {
      "val.json": JSON.stringify(rows),
      ...Object.fromEntries(rows.map(({ image }, index) => [`images${index % 2}/${image}`, weights])),
    },
  });
  vi.stubEnv("HF_ENDPOINT", server.endpoint);
  vi.stubEnv("HF_TOKEN", "hf_secret");
  onTestFinished(async () => {
    vi.unstubAllEnvs();
    await server[Symbol.asyncDispose]();
  });
  return server;
}

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "vlmopt-cli-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Runs `vlmopt download …` in this process. @returns what it prints */
async function download(...args: string[]): Promise<string> {
  const lines: string[] = [];
  const log = vi.spyOn(console, "log").mockImplementation((line) => void lines.push(line));
  const command = downloadCommand()
    .exitOverride()
    .configureOutput({ writeErr: () => {} });
  await command.parseAsync(args, { from: "user" }).finally(() => log.mockRestore());
  return lines.join("\n");
}

describe("vlmopt download", () => {
  it("gets a model's safetensors and what belongs to them, and says what it did", async () => {
    const [server, folder] = [await hub(), await temporaryFolder()];
    const target = join(folder, "model");
    expect(await download("org/model", target)).toMatch(
      /model: 2 files, 5\.00 kB, 5\.00 kB of it new, at commit [0-9a-f]{8}, [\d.]+ s$/,
    );
    expect((await readdir(target)).sort()).toEqual([".vlmopt-download", "config.json", "model.safetensors"]);
    expect(JSON.parse(await download("org/model", target, "--all", "--json"))).toMatchObject({
      repository: "org/model",
      files: ["config.json", "model.safetensors", "pytorch_model.bin"],
      fetchedFiles: 1,
      fetchedBytes: 5000,
    });
    server.requests.length = 0;
    expect(JSON.parse(await download("org/model", target, "--offline", "--json"))).toMatchObject({
      fetchedFiles: 0,
    });
    expect(server.requests).toEqual([]);
  });

  it("takes what patterns choose", async () => {
    await hub();
    const folder = await temporaryFolder();
    const args = ["org/model", folder, "--include", "*.json", "*.bin", "--exclude", "*.bin", "--json"];
    expect(JSON.parse(await download(...args)).files).toEqual(["config.json"]);
  });

  it("gets a sample of VQAonline with its images, the same each time", async () => {
    await hub();
    vi.stubEnv("VLMOPT_CACHE", await temporaryFolder());
    const args = ["vqaonline", "--split", "val", "--limit", "2"];
    expect(await download(...args)).toMatch(
      /datasets--ChongyanChen--VQAonline: 2 questions of val, 2 images, 10\.0 kB, [\d.]+ s$/,
    );
    const stratified = [...args, "--sample", "stratified", "--seed", "7", "--json"];
    const first = JSON.parse(await download(...stratified));
    expect(first.signature).toMatch(
      /\|split:val\|topics:all\|sample:stratified:2:seed=7\|n:2\|sha256:[0-9a-f]{16}$/,
    );
    expect(JSON.parse(await download(...stratified)).signature).toBe(first.signature);
    expect(await readFile(join(first.folder, "val.json"), "utf8")).toBe(JSON.stringify(rows));
    expect(JSON.parse(await download("vqaonline", "--topic", "cooking", "--json")).questions).toBe(2);
  });

  it.each([
    [["org/model", "--split", "val"], "choose questions of vqaonline"],
    [["vqaonline", "--limit", "2", "--include", "*.json"], "choose questions of vqaonline"],
    [["vqaonline", "--sample", "random"], "--sample needs a --limit"],
    [["vqaonline", "--split", "dev"], "Allowed choices are train, val, test."],
    [["vqaonline", "--limit", "0"], "It is 0, not a whole number from 1 on."],
  ])("refuses %j", async (args, message) => {
    await expect(download(...args)).rejects.toThrow(message);
  });

  it("fails with a hint where access is missing, and never shows the token", async () => {
    const [server, folder] = [await hub(), await temporaryFolder()];
    server.misbehave = (_, response) =>
      Boolean(response.writeHead(403, { "x-error-code": "GatedRepo" }).end("hf_secret has no access"));
    const error = await download("org/model", folder).catch((reason: unknown) => reason);
    expect(error).toMatchObject({
      message: "org/model: is gated, and the token does not open it",
      hint: `ask for access at ${server.endpoint}/org/model with the account that the token belongs to`,
    });
    expect(`${(error as Error).stack}`).not.toContain("hf_secret");
  });

  it("keeps what has arrived on Ctrl-C", async () => {
    const [server, folder] = [await hub(), await temporaryFolder()];
    server.misbehave = ({ host }, response, bytes) => {
      if (host !== "storage") return false;
      response.writeHead(200, { "content-length": bytes.length }).write(bytes.subarray(0, 1000));
      setTimeout(() => process.emit("SIGINT"), 100);
      return true;
    };
    const stderr = vi.spyOn(process.stderr, "write").mockReturnValue(true);
    await download("org/model", folder);
    expect(stderr).toHaveBeenCalledWith(
      "error: interrupted; what has arrived is kept: run it again to go on\n",
    );
    stderr.mockRestore();
    expect(process.exitCode).toBe(130);
    process.exitCode = 0;
    expect(await readdir(join(folder, ".vlmopt-download/partial"))).toHaveLength(1);
    server.misbehave = () => false;
    server.requests.length = 0;
    await download("org/model", folder);
    expect(server.requests.at(-1)?.range).toBe("bytes=1000-");
  });
});

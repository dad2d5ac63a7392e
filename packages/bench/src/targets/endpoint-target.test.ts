import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, onTestFinished, test } from "vitest";
import type { EndpointSpec } from "../recipe/recipe.ts";
import { endpointTarget } from "./endpoint-target.ts";

const folder = mkdtempSync(join(tmpdir(), "vlmopt-endpoint-"));
afterAll(() => rmSync(folder, { recursive: true }));
const image = join(folder, "picture.png");
writeFileSync(image, Uint8Array.of(0x89, 0x50, 0x4e, 0x47));

type Body = { messages: { content: unknown }[]; max_tokens: number; ignore_eos?: boolean };
type Reply = (response: ServerResponse, body: Body, request: IncomingMessage) => void;

const chunk = (delta: object, finish: string | null = null) =>
  `data: ${JSON.stringify({ choices: [{ delta, finish_reason: finish }] })}\n\n`;
const whole = [
  chunk({ role: "assistant" }),
  chunk({ content: "A " }),
  chunk({ content: "cat." }),
  chunk({}, "stop"),
  `data: ${JSON.stringify({ choices: [], usage: { prompt_tokens: 9, completion_tokens: 3 } })}\n\n`,
  "data: [DONE]\n\n",
];
const say: Reply = (response) => response.end(whole.join(""));
const status =
  (code: number, text: string, headers: Record<string, string> = {}): Reply =>
  (response) =>
    response.writeHead(code, headers).end(text);

/** A server that gives these replies one after the other, the last one again and again. */
async function served(...replies: Reply[]) {
  const bodies: Body[] = [];
  const requests: IncomingMessage[] = [];
  const server = createServer(async (request, response) => {
    let text = "";
    for await (const part of request) text += part;
    if (request.url?.endsWith("/models")) return response.end("{}");
    const body = JSON.parse(text) as Body;
    bodies.push(body);
    requests.push(request);
    (replies[Math.min(bodies.length, replies.length) - 1] as Reply)(response, body, request);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
  const spec: EndpointSpec = { url, model: "llava", concurrency: 1, timeout: 0.3, retries: 2, extra: {} };
  const target = (changes: Partial<EndpointSpec> = {}, env = {}) =>
    endpointTarget({ ...spec, ...changes, apiKeyVariable: changes.apiKeyVariable }, { env, retryDelay: 5 });
  return { target, bodies, requests, url };
}

const question = { question: "What is it?", image, maxNewTokens: 8, fixedLength: false };

test("a streamed answer is put together, with the server's counts", async () => {
  const { target, bodies } = await served(say);
  const answer = await target().answer(question);
  expect(answer).toMatchObject({ text: "A cat.", promptTokens: 9, newTokens: 3, finish: "end" });
  expect(answer.ttft).toBeLessThanOrEqual(answer.latency);
  expect(answer.tokens).toHaveLength(1);
  expect(bodies[0]).toMatchObject({ model: "llava", max_tokens: 8, temperature: 0, stream: true });
  expect(bodies[0]?.messages[0]?.content).toEqual([
    { type: "image_url", image_url: { url: "data:image/png;base64,iVBORw==" } },
    { type: "text", text: "What is it?" },
  ]);
});

test("a fixed length is asked for, and let go of where the server does not know it", async () => {
  const { target, bodies } = await served(status(400, "unknown field ignore_eos"), say);
  const { answer } = target();
  await answer({ ...question, fixedLength: true });
  await answer({ ...question, fixedLength: true });
  expect(bodies.map(({ ignore_eos }) => ignore_eos)).toEqual([true, undefined, undefined]);
});

test("requests at once all let go of it", async () => {
  const { target } = await served((response, body, request) =>
    (body.ignore_eos ? status(400, "unknown field ignore_eos") : say)(response, body, request),
  );
  const { answer } = target();
  const answers = await Promise.all([1, 2, 3, 4].map(() => answer({ ...question, fixedLength: true })));
  expect(answers.map(({ text }) => text)).toEqual(new Array(4).fill("A cat."));
});

test.each([
  ["a busy server", status(429, "slow down", { "retry-after": "0" })],
  ["a broken server", status(503, "")],
  ["an answer that breaks off", (response: ServerResponse) => response.end(whole.slice(0, 2).join(""))],
  ["what is not JSON", (response: ServerResponse) => response.end("data: hello\n\n")],
  ["silence", () => {}],
  ["a closed connection", (response: ServerResponse) => response.destroy()],
] as [string, Reply][])("%s is asked again", async (_, reply) => {
  const { target, bodies } = await served(reply, say);
  expect((await target().answer(question)).text).toBe("A cat.");
  expect(bodies).toHaveLength(2);
});

test("after as many tries as are allowed the server's words are told", async () => {
  const { target, bodies, url } = await served(status(500, "out of memory"));
  await expect(target().answer(question)).rejects.toThrow(
    `${url}/chat/completions: answered 500: out of memory, 3 times over`,
  );
  expect(bodies).toHaveLength(3);
});

test("what will not change is not asked again", async () => {
  const { target, bodies } = await served(status(404, "no such model"));
  await expect(target().answer(question)).rejects.toMatchObject({
    message: expect.stringContaining("answered 404: no such model"),
    hint: expect.stringContaining("does the server have a model of that name"),
  });
  expect(bodies).toHaveLength(1);
});

test("a key goes to its server, and one that is missing is named", async () => {
  const { target, requests } = await served(say);
  await target({ apiKeyVariable: "KEY" }, { KEY: "s3cret" }).answer(question);
  expect(requests[0]?.headers.authorization).toBe("Bearer s3cret");
  expect(() => target({ apiKeyVariable: "KEY" })).toThrow("KEY is not set");
});

test("a server that is not there is said to be so", async () => {
  const { target } = await served(say);
  expect(await target().load()).toBeGreaterThan(0);
  await expect(target({ url: "http://127.0.0.1:9/v1" }).load()).rejects.toThrow(
    "http://127.0.0.1:9/v1/models",
  );
});

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, onTestFinished, test } from "vitest";
import { type EndpointOptions, endpointTarget, type ServerSpec } from "./endpoint-target.ts";
import { RequestFailure } from "./request-failure.ts";

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
  const spec: ServerSpec = { url, model: "llava", concurrency: 1, timeout: 0.3, retries: 2, extra: {} };
  const target = (changes: Partial<ServerSpec> = {}, env = {}, options: EndpointOptions = {}) =>
    endpointTarget(
      { ...spec, ...changes, apiKeyVariable: changes.apiKeyVariable },
      { env, retryDelay: 5, ...options },
    );
  return { target, bodies, requests, url };
}

const question = { question: "What is it?", images: [image], maxNewTokens: 8, fixedLength: false };

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

const sent =
  (...chunks: string[]): Reply =>
  (response) =>
    void response.end(chunks.join(""));
const held =
  (...chunks: string[]): Reply =>
  (response) =>
    void response.writeHead(200).write(chunks.join(""));
const usage = (completion: unknown) =>
  `data: ${JSON.stringify({ choices: [], usage: { prompt_tokens: 9, completion_tokens: completion } })}\n\n`;
const six = ["A", " red", " fox", " runs", " here", "."].map((content) => chunk({ content }));
const end = chunk({}, "stop");

test("content may be a list of parts, of which text is the answer", async () => {
  const parts = [
    { type: "thinking", thinking: [{ type: "text", text: "Hm." }] },
    { type: "text", text: "A " },
  ];
  const { target } = await served(
    sent(
      chunk({ content: parts }),
      chunk({
        content: [
          { type: "text", text: "cat." },
          { type: "text", text: "" },
        ],
      }),
      end,
    ),
  );
  expect(await target().answer(question)).toMatchObject({ text: "A cat.", newTokens: null, finish: "end" });
});

test("reasoning is no answer, but has a speed", async () => {
  const { target, bodies } = await served(
    sent(chunk({ reasoning_content: "Let me" }), chunk({ reasoning: " see" }), chunk({}, "length"), usage(8)),
  );
  await expect(target().answer(question)).rejects.toMatchObject({
    message: expect.stringContaining(
      "answered with reasoning alone, 10 characters of it, and no text (finish_reason length)",
    ),
    hint: expect.stringContaining("maxAnswerTokens"),
  });
  expect(bodies).toHaveLength(1);
  const timed = await target().answer({ ...question, fixedLength: true });
  expect(timed).toMatchObject({ text: "", newTokens: 8 });
  expect(timed.tokens).toHaveLength(1);
});

test.each([
  [
    "more tokens than were asked for",
    sent(...six, end, usage(999_999)),
    "its usage counts 999999 new tokens, where at most 8 were asked for and 6 pieces of text came",
  ],
  [
    "fewer than pieces",
    sent(...six, end, usage(1)),
    "its usage counts 1 new tokens, where at most 8 were asked for and 6 pieces of text came",
  ],
  ["less than none", sent(...six, end, usage(-3)), "its usage counts -3 new tokens"],
  ["a refusal", sent(chunk({ refusal: "I cannot." }), end), "the model refused: I cannot."],
  [
    "a filter",
    sent(chunk({ content: "It is" }), chunk({}, "content_filter")),
    "ended with finish_reason content_filter after 5 characters",
  ],
  [
    "an error within a stream, as text",
    sent('data: {"error":"out of memory"}\n\n'),
    "out of memory, 3 times over",
  ],
  [
    "an error instead of one",
    sent('{"error": {"message": "no such picture"}}'),
    "answered 200 with an error: no such picture",
  ],
  ["a request that is refused", status(400, "picture too small"), "answered 400: picture too small"],
  [
    "an answer without end",
    sent(...new Array(60).fill(chunk({ content: "x".repeat(100) }))),
    "characters where at most 8 tokens were asked for: it does not heed max_tokens",
  ],
] as [string, Reply, string][])("%s loses one question: others may be asked", async (_, reply, message) => {
  const { target } = await served(reply);
  const failed = target().answer(question);
  await expect(failed).rejects.toThrow(message);
  await expect(failed).rejects.toBeInstanceOf(RequestFailure);
});

const json = { choices: [{ message: { content: "A cat." }, finish_reason: "stop" }] };
test.each([
  [
    "plain JSON",
    sent(JSON.stringify(json, null, 1)),
    'answered with plain JSON instead of a stream of events: { "choices"',
  ],
  [
    "a page",
    sent("<!doctype html>\n<title>Welcome</title>"),
    "answered with a web page instead of a stream of events: <!doctype html> <title>Welcome",
  ],
  [
    "a long wait",
    status(429, "slow down", { "retry-after": "3600" }),
    "answered 429: slow down; it asks to be left alone for 3600 s (Retry-After), and 60 s are waited at most",
  ],
  [
    "a long wait until a date",
    status(503, "", { "retry-after": new Date(Date.now() + 7200_000).toUTCString() }),
    "it asks to be left alone for 7",
  ],
] as [string, Reply, string][])("%s ends the server's turn at once", async (_, reply, message) => {
  const { target, bodies } = await served(reply);
  const failed = target().answer(question);
  await expect(failed).rejects.toThrow(message);
  await expect(failed).rejects.not.toBeInstanceOf(RequestFailure);
  expect(bodies).toHaveLength(1);
});

const beat =
  (text: string): Reply =>
  (response) => {
    const timer = setInterval(() => response.write(text), 10);
    response.on("close", () => clearInterval(timer));
  };
test.each([
  ["silence", () => {}, "said nothing for 0.3 s"],
  ["silence behind headers", held("\n"), "began to answer and sent no text for 0.3 s"],
  [
    "silence within an answer",
    held(...six.slice(0, 2)),
    "fell silent for 0.3 s after 5 characters of an answer",
  ],
  ["silence behind an answer", held(...six, end), "did not end the stream for 0.3 s after the answer's end"],
  [
    "comments without end",
    beat(": keep-alive\n\n"),
    /began to answer and sent no text for 0.3 s, but for \d+ comments and empty events/,
  ],
  [
    "empty chunks without end",
    beat(chunk({ content: "" })),
    /sent no text for 0.3 s, but for \d+ comments and empty events/,
  ],
] as [string, Reply, string | RegExp][])(
  "%s has a limit, and is told as what it is",
  async (_, reply, message) => {
    const { target } = await served(reply);
    const told: string[] = [];
    const { answer } = target({ retries: 1 }, {}, { onNotice: (notice) => told.push(notice) });
    await expect(answer(question)).rejects.toThrow(message);
    expect(told).toEqual([expect.stringMatching(/; asked again in 0 s, for the 2. of 2 times$/)]);
    // Two in a row are the server's fault.
    const again = answer(question);
    await expect(again).rejects.toThrow("2 times over");
    await expect(again).rejects.not.toBeInstanceOf(RequestFailure);
  },
);

test.each([
  ["silence", () => {}],
  ["an answer under way", beat(chunk({ content: "x" }))],
  ["a wait between tries", status(429, "", { "retry-after": "30" })],
] as [string, Reply][])("a signal ends it within a second: %s", async (_, reply) => {
  const { target, requests } = await served(reply);
  const stop = new AbortController();
  const answering = target({ timeout: 60 }, {}, { signal: stop.signal }).answer({
    ...question,
    maxNewTokens: 9999,
  });
  while (requests.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  setTimeout(() => stop.abort(), 50);
  const started = performance.now();
  await expect(answering).rejects.toMatchObject({ name: "AbortError" });
  expect(performance.now() - started).toBeLessThan(1000);
});

test("what is no picture is not sent, and marks of pictures in the text are not either", async () => {
  const { target, bodies } = await served(say);
  const empty = join(folder, "empty.png");
  writeFileSync(empty, "");
  await expect(target().answer({ ...question, images: [empty] })).rejects.toThrow(
    `${empty}: its 0 bytes are no picture`,
  );
  await target().answer({ ...question, question: "<image>\nWhat is it?" });
  expect(bodies).toHaveLength(1);
  expect(bodies[0]?.messages[0]?.content).toContainEqual({ type: "text", text: "What is it?" });
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

import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { judge } from "@vlmopt/metrics";
import { expect, onTestFinished, test } from "vitest";
import { judgeModel, parseJudge } from "./judge-model.ts";

test("a judge is named by its server and the model's name there", () => {
  expect(parseJudge("http://localhost:8000/v1/org/model")).toEqual({
    url: "http://localhost:8000/v1",
    model: "org/model",
  });
  for (const text of ["localhost:8000/v1/m", "http://localhost:8000/v1", "gpt"])
    expect(() => parseJudge(text)).toThrow(`${JSON.stringify(text)} is no judge`);
});

test("a judge's replies are kept, and their cost is told", async () => {
  const cache = mkdtempSync(join(tmpdir(), "vlmopt-judge-"));
  const bodies: { temperature: number; model: string; messages: { content: { text: string }[] }[] }[] = [];
  const server = createServer(async (request, response) => {
    let text = "";
    for await (const part of request) text += part;
    bodies.push(JSON.parse(text));
    const event = (data: object) => `data: ${JSON.stringify(data)}\n\n`;
    response.end(
      `${event({ choices: [{ delta: { content: "right" }, finish_reason: "stop" }] })}${event({
        choices: [],
        usage: { prompt_tokens: 50, completion_tokens: 1 },
      })}data: [DONE]\n\n`,
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
    rmSync(cache, { recursive: true });
  });
  const spec = { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`, model: "judge" };
  const first = judgeModel(spec, { cache });
  const answers = ["red", "red", "blue"];
  const { aggregate } = await judge({ model: first }).corpus(answers, [["red"], ["red"], ["navy"]]);
  expect(aggregate).toEqual({ judge: 1, "judge-agreement": 1 });
  // Two that are alike are asked once; each pass is a request.
  expect(bodies).toHaveLength(4);
  expect(bodies[0]).toMatchObject({ temperature: 0, model: "judge" });
  expect(first.cost()).toEqual({ requests: 4, cached: 0, promptTokens: 200, newTokens: 4 });
  const again = judgeModel(spec, { cache });
  await judge({ model: again }).corpus(answers, [["red"], ["red"], ["navy"]]);
  expect(again.cost()).toEqual({ requests: 0, cached: 4, promptTokens: 0, newTokens: 0 });
  expect(bodies).toHaveLength(4);
});

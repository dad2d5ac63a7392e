import { appendFile, mkdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { JudgeModel } from "@vlmopt/metrics";
import { BenchError } from "../bench-error.ts";
import { textHash } from "../run/content-hash.ts";
import { madeFolder } from "../run/made-cache.ts";
import { type EndpointOptions, endpointTarget } from "./endpoint-target.ts";

export interface JudgeSpec {
  /** Of the API, up to `/v1`. */
  readonly url: string;
  /** As the server calls it. */
  readonly model: string;
  /** Name of the environment variable that holds the key. */
  readonly apiKeyVariable?: string | undefined;
}

/** What grading cost. */
export interface JudgeCost {
  readonly requests: number;
  /** Answered by an earlier run. */
  readonly cached: number;
  /** Tokens; null where the server does not tell. */
  readonly promptTokens: number | null;
  readonly newTokens: number | null;
}

/** Requests under way at once. */
const AT_ONCE = 8;
/** Room for a model that thinks before it grades. */
const MOST_TOKENS = 512;

/**
 * Reads `http://localhost:8000/v1/org/model`.
 * @throws {BenchError} where it is no such thing
 */
export function parseJudge(text: string): JudgeSpec {
  const [, url, model] = /^(https?:\/\/\S+?\/v\d+)\/(\S+)$/.exec(text) ?? [];
  if (url !== undefined && model !== undefined) return { url, model };
  throw new BenchError(
    `${JSON.stringify(text)} is no judge`,
    "give the server's API up to /v1, then the model's name: http://localhost:8000/v1/org/model",
  );
}

/**
 * A model behind an OpenAI-compatible server, as `judge` of @vlmopt/metrics asks it, without chance. What it said is kept below VLMOPT_CACHE, by server, model and prompt,
 * and not asked again.
 */
export function judgeModel(
  spec: JudgeSpec,
  {
    cache = join(dirname(madeFolder()), "judge"),
    ...options
  }: EndpointOptions & { readonly cache?: string } = {},
): JudgeModel & { cost(): JudgeCost } {
  const { url, model, apiKeyVariable } = spec;
  const target = endpointTarget(
    { url, model, apiKeyVariable, concurrency: AT_ONCE, timeout: 120, retries: 3, extra: {} },
    options,
  );
  const file = join(cache, `${textHash(`${url} ${model}`).slice(0, 16)}.jsonl`);
  const cost = { requests: 0, cached: 0, promptTokens: 0 as number | null, newTokens: 0 as number | null };
  const add = (sum: number | null, more: number | null) =>
    sum === null || more === null ? null : sum + more;
  let known: Map<string, string> | undefined;

  async function reply(prompt: string): Promise<string> {
    const key = textHash(prompt);
    const before = known?.get(key);
    if (before !== undefined) {
      cost.cached++;
      return before;
    }
    const answer = await target.answer({
      question: prompt,
      images: [],
      maxNewTokens: MOST_TOKENS,
      fixedLength: false,
    });
    cost.requests++;
    cost.promptTokens = add(cost.promptTokens, answer.promptTokens);
    cost.newTokens = add(cost.newTokens, answer.newTokens);
    known?.set(key, answer.text);
    await appendFile(file, `${JSON.stringify({ key, text: answer.text })}\n`);
    return answer.text;
  }

  return {
    name: model,
    cost: () => ({ ...cost }),
    async ask(prompts) {
      known ??= await readReplies(file);
      await mkdir(cache, { recursive: true });
      const unlike = [...new Set(prompts)];
      const replies = new Map<string, string>();
      let next = 0;
      let failed = false;
      const lane = async () => {
        while (!failed && next < unlike.length) {
          const prompt = unlike[next++] as string;
          try {
            replies.set(prompt, await reply(prompt));
          } catch (error) {
            failed = true;
            throw error;
          }
        }
      };
      const lanes = await Promise.allSettled(Array.from({ length: AT_ONCE }, lane));
      for (const ended of lanes) if (ended.status === "rejected") throw ended.reason;
      return prompts.map((prompt) => replies.get(prompt) ?? "");
    },
  };
}

/** What was said before; a last line that a killed process left unfinished does not count. */
async function readReplies(file: string): Promise<Map<string, string>> {
  const text = await readFile(file, "utf8").catch(() => "");
  const found = new Map<string, string>();
  for (const line of text.split("\n")) {
    try {
      const { key, text: said } = JSON.parse(line) as { key?: unknown; text?: unknown };
      if (typeof key === "string" && typeof said === "string") found.set(key, said);
    } catch {
      // Asked again.
    }
  }
  return found;
}

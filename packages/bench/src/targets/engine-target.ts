import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { builtModule } from "@vlmopt/tensor-io";
import { BenchError } from "../bench-error.ts";
import type { EngineSpec } from "../recipe/recipe.ts";
import type { FromEngine, ToEngine } from "./engine-protocol.ts";
import type { Target } from "./target.ts";

/** Characters of what a process said last that go into the message of its failure. */
const LAST_WORDS = 300;

/**
 * Runs a checkpoint by `@vlmopt/engine` in a process of its own: its memory is the model's, and where it dies the run goes on.
 * @param worker module that the process runs
 */
export function engineTarget(
  model: string,
  engine: EngineSpec,
  worker = builtModule("engine-worker", import.meta.url),
): Target {
  const child = fork(fileURLToPath(worker), { execArgv: [], stdio: ["ignore", "ignore", "pipe", "ipc"] });
  let said = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    said = (said + text).slice(-LAST_WORDS);
  });
  const ask = (message: ToEngine) => exchange(child, message, () => said.trim());
  return {
    pid: child.pid,
    async load() {
      const reply = await ask({ kind: "load", model, engine });
      return reply.kind === "loaded" ? reply.milliseconds : unexpected(reply);
    },
    async answer(request) {
      const reply = await ask({ kind: "answer", request });
      return reply.kind === "answered" ? reply.answer : unexpected(reply);
    },
    async peakMemory() {
      const reply = await ask({ kind: "memory" });
      if (reply.kind !== "memory") return unexpected(reply);
      return {
        processPeak: { bytes: reply.process, method: "getrusage of the process, most resident" },
        executorPeak:
          reply.executor === null
            ? null
            : { bytes: reply.executor, method: "buffers that the executor made" },
      };
    },
    async close() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGKILL");
      await ended;
    },
  };
}

function exchange(child: ChildProcess, message: ToEngine, lastWords: () => string): Promise<FromEngine> {
  return new Promise((resolve, reject) => {
    const finish = (act: () => void) => {
      child.off("message", onMessage).off("exit", onExit).off("error", onError);
      act();
    };
    const onMessage = (reply: FromEngine) =>
      finish(() =>
        reply.kind === "failed" ? reject(new BenchError(reply.message, reply.hint)) : resolve(reply),
      );
    const onError = (error: Error) => finish(() => reject(error));
    const onExit = () => finish(() => reject(died(child, message, lastWords())));
    if (child.exitCode !== null || child.signalCode !== null) return onExit();
    child.on("message", onMessage).on("exit", onExit).on("error", onError);
    child.send(message, (error) => {
      // A process that has just gone is told of by its end.
      if (error !== null && child.connected) onError(error);
    });
  });
}

function died({ signalCode, exitCode }: ChildProcess, message: ToEngine, lastWords: string): BenchError {
  const how = signalCode === null ? `ended with ${exitCode}` : `was killed by ${signalCode}`;
  const when = {
    load: "while it loaded",
    answer: "while it answered",
    memory: "while it told of its memory",
  }[message.kind];
  const words = lastWords === "" ? "" : `: ${lastWords.replaceAll("\n", " ")}`;
  return new BenchError(`the process that ran the model ${how} ${when}${words}`);
}

function unexpected(reply: FromEngine): never {
  throw new BenchError(`the process that runs the model said ${reply.kind} out of turn`);
}

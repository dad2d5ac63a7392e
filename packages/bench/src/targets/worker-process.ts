import { type ChildProcess, fork } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { removedAtExit } from "@vlmopt/files";
import { BenchError } from "../bench-error.ts";
import { RequestFailure } from "./request-failure.ts";

/** Characters of what a process said last that go into the message of its failure. */
const LAST_WORDS = 300;

export interface Message {
  readonly kind: string;
}

/** What a process says instead of an answer where it could not do what it was told. */
export interface Failed {
  readonly kind: "failed";
  readonly message: string;
  readonly hint?: string;
}

/** A process of its own for a model: its memory is the model's, and where it dies the run goes on. */
export interface WorkerProcess<To extends Message, From extends Message> {
  readonly pid: number | undefined;
  /**
   * Tells it something and waits for its answer, which must be of that kind.
   * @param onNews hears what it says before that, of other kinds
   * @throws {RequestFailure} where it could not do that, and can be asked further
   * @throws {BenchError} where it died, or, with nobody to hear, said something else
   */
  ask<Kind extends From["kind"]>(
    message: To,
    kind: Kind,
    onNews?: (news: From) => void,
  ): Promise<Extract<From, { kind: Kind }>>;
  /** Ends it, whatever it does. */
  close(): Promise<void>;
}

/**
 * @param module that the process runs; it answers each message with one
 * @param doing what the process does after each kind of message, for the error where it dies: `while it loaded`
 */
export function workerProcess<To extends Message, From extends Message>(
  module: URL | string,
  doing: Readonly<Record<To["kind"], string>>,
): WorkerProcess<To, From> {
  // Its temporary files are here, and go however it ends: it may have been killed.
  const temporary = mkdtempSync(join(tmpdir(), "vlmopt-model-"));
  const env = { ...process.env, TMPDIR: temporary, TEMP: temporary, TMP: temporary };
  const child = fork(fileURLToPath(module), {
    execArgv: [],
    stdio: ["ignore", "ignore", "pipe", "ipc"],
    env,
  });
  const keep = removedAtExit(temporary, () => {
    child.kill("SIGKILL");
    rmSync(temporary, { recursive: true, force: true });
  });
  let said = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    said = (said + text).slice(-LAST_WORDS);
  });
  return {
    pid: child.pid,
    async ask<Kind extends From["kind"]>(message: To, kind: Kind, onNews?: (news: From) => void) {
      const when = doing[message.kind as To["kind"]];
      const isNews = (news: Message) => {
        if (onNews === undefined || news.kind === kind || news.kind === "failed") return false;
        onNews(news as From);
        return true;
      };
      const reply = (await exchange(child, message, isNews, () => died(child, when, said.trim()))) as
        | From
        | Failed;
      if (reply.kind === kind) return reply as Extract<From, { kind: Kind }>;
      if (reply.kind === "failed") {
        const { message: what, hint } = reply as Failed;
        throw new RequestFailure(what, hint);
      }
      throw new BenchError(`the process that runs the model said ${reply.kind} out of turn`);
    },
    async close() {
      if (child.exitCode === null && child.signalCode === null) {
        const ended = new Promise((resolve) => child.once("exit", resolve));
        child.kill("SIGKILL");
        await ended;
      }
      keep();
      await rm(temporary, { recursive: true, force: true });
    },
  };
}

function exchange(
  child: ChildProcess,
  message: Message,
  isNews: (said: Message) => boolean,
  ended: () => BenchError,
): Promise<Message> {
  return new Promise((resolve, reject) => {
    const finish = (act: () => void) => {
      child.off("message", onMessage).off("exit", onExit).off("error", onError);
      act();
    };
    const onMessage = (reply: Message) => {
      if (!isNews(reply)) finish(() => resolve(reply));
    };
    const onError = (error: Error) => finish(() => reject(error));
    const onExit = () => finish(() => reject(ended()));
    if (child.exitCode !== null || child.signalCode !== null) return onExit();
    child.on("message", onMessage).on("exit", onExit).on("error", onError);
    child.send(message, (error) => {
      // A process that has just gone is told of by its end.
      if (error !== null && child.connected) onError(error);
    });
  });
}

function died({ signalCode, exitCode }: ChildProcess, when: string, lastWords: string): BenchError {
  const how = signalCode === null ? `ended with ${exitCode}` : `was killed by ${signalCode}`;
  const words = lastWords === "" ? "" : `: ${lastWords.replaceAll("\n", " ")}`;
  return new BenchError(`the process that ran the model ${how} ${when}${words}`);
}

import { createInterface } from "node:readline/promises";
import type { Message, MessagePart } from "@vlmopt/engine";
import type { ModelProcess } from "../model-process.ts";
import { interruptible } from "../terminal/interrupt.ts";
import { answeringCommand, generateOptions, timingLine, vlmOptions } from "./model-options.ts";

export function chatCommand() {
  return answeringCommand("chat")
    .summary("talk with a model about pictures")
    .description(
      "A conversation, line by line; /image FILE shows a picture with the next line, /new forgets, /exit ends.",
    )
    .addHelpText(
      "after",
      `
Example:
  $ vlmopt chat ./llava-int4
  > /image cat.jpg
  > What is this?`,
    )
    .action(async (path, options, command) => {
      const loading = vlmOptions(options, (message) => command.error(message));
      const { modelProcess } = await import("../model-process.ts");
      await interruptible(async (signal) => {
        const model = await modelProcess(path, loading, { signal, quiet: false });
        try {
          await converse(model, generateOptions(options), signal);
        } finally {
          await model.close();
        }
      });
    });
}

async function converse(
  model: ModelProcess,
  generating: ReturnType<typeof generateOptions>,
  signal: AbortSignal,
): Promise<void> {
  const lines = createInterface({ input: process.stdin, output: process.stderr, prompt: "> " });
  // On a terminal Ctrl-C is a key that comes here instead of a signal.
  lines.on("SIGINT", () => process.emit("SIGINT"));
  signal.addEventListener("abort", () => lines.close());
  let messages: Message[] = [];
  let images: string[] = [];
  let shown: string[] = [];
  // Lines that were piped in may all have come before the first is answered.
  let isOpen = true;
  lines.once("close", () => {
    isOpen = false;
  });
  lines.prompt();
  for await (const line of lines) {
    const [command, ...rest] = line.trim().split(/\s+/);
    if (command === "/exit") break;
    if (command === "/new") {
      messages = [];
      images = [];
      shown = [];
    } else if (command === "/image") {
      shown.push(rest.join(" "));
    } else if (command !== undefined && command !== "") {
      const pictures = shown.map((): MessagePart => ({ type: "image" }));
      const content = [...pictures, { type: "text", text: line.trim() } as const];
      const asked: Message[] = [...messages, { role: "user", content }];
      try {
        const answer = await model.generate(
          { messages: asked, images: [...images, ...shown] },
          { ...generating, onText: (text) => void process.stdout.write(text) },
        );
        process.stdout.write("\n");
        if (process.stderr.isTTY) console.error(timingLine(answer.timings, answer.promptTokens));
        // A question without an answer leaves the conversation.
        messages = [...asked, { role: "assistant", content: answer.text }];
        images = [...images, ...shown];
      } catch (error) {
        signal.throwIfAborted();
        console.error(`error: ${(error as Error).message}`);
      }
      shown = [];
    }
    if (isOpen) lines.prompt();
  }
  lines.close();
  signal.throwIfAborted();
}

import { interruptible } from "../terminal/interrupt.ts";
import { answeringCommand, generateOptions, timingLine, vlmOptions } from "./model-options.ts";

export function askCommand() {
  return answeringCommand("ask")
    .summary("ask a model about pictures")
    .description("Answers a question, about pictures or without, as the text comes.")
    .argument("<question>")
    .option("--image <file>", "a picture; may be given several times", collect, [])
    .option("--raw", "the question is the whole prompt, with no template around it")
    .option("--json", "print answer, tokens and timings as JSON")
    .addHelpText(
      "after",
      `
Examples:
  $ vlmopt ask ./llava-1.5-7b-hf --image cat.jpg "What is this?"
  $ vlmopt ask ./llava-int4 --image before.png --image after.png "What has changed?" --json`,
    )
    .action(async (path, question, options) => {
      const started = performance.now();
      // Loaded when it is needed: other commands start faster without it.
      const { loadVlm } = await import("@vlmopt/engine");
      const vlm = await loadVlm(path, vlmOptions(options));
      const load = performance.now() - started;
      const { image: images } = options;
      const request = options.raw ? { raw: question, images } : { prompt: question, images };
      const answer = await interruptible((signal) =>
        vlm.generate(request, {
          ...generateOptions(options),
          signal,
          ...(options.json ? {} : { onText: (text: string) => void process.stdout.write(text) }),
        }),
      ).finally(() => vlm.release());
      const { text, tokens, finish, promptTokens, timings } = answer;
      if (options.json) {
        console.log(
          JSON.stringify({ text, tokens, finish, promptTokens, timings: { load, ...timings } }, null, 2),
        );
      } else {
        process.stdout.write("\n");
        if (process.stderr.isTTY) console.error(timingLine(timings, promptTokens));
      }
    });
}

function collect(file: string, files: string[]): string[] {
  return [...files, file];
}

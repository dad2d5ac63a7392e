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
  $ vlmopt ask ./llava-1.5-7b-hf --image cat.jpg "What is this?" --visual-tokens 128 --visual-method divprune
  $ vlmopt ask ./llava-int4 --image before.png --image after.png "What has changed?" --json`,
    )
    .action(async (path, question, options, command) => {
      const started = performance.now();
      const { image: images, json = false } = options;
      const request = options.raw ? { raw: question, images } : { prompt: question, images };
      const loading = vlmOptions(options, (message) => command.error(message));
      // Loaded when it is needed: other commands start faster without it.
      const { modelProcess } = await import("../model-process.ts");
      const { answer, load } = await interruptible(async (signal) => {
        const model = await modelProcess(path, loading, { signal, quiet: json });
        try {
          const loaded = performance.now() - started;
          const onText = (text: string) => void process.stdout.write(text);
          const generating = { ...generateOptions(options), ...(json ? {} : { onText }) };
          return { answer: await model.generate(request, generating), load: loaded };
        } finally {
          await model.close();
        }
      });
      const { text, tokens, finish, promptTokens, cacheBytes, pictures = [], timings } = answer;
      if (json) {
        console.log(
          JSON.stringify(
            {
              ...{ text, tokens, finish, promptTokens, cacheBytes },
              // Which tokens of each picture went on.
              ...(pictures.length === 0
                ? {}
                : {
                    pictures: pictures.map(({ of, kept, sizes }) => ({ of, kept, ...(sizes && { sizes }) })),
                  }),
              timings: { load, ...timings },
            },
            null,
            2,
          ),
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

// A model in a process of its own. ONNX Runtime computes on the thread that calls it, and what computes hears no Ctrl-C: this process does.
import { workerProcess } from "@vlmopt/bench/process";
import type { Answer, GenerateOptions, Timings, VlmOptions, Request as VlmRequest } from "@vlmopt/engine";
import { signOfLife } from "./terminal/progress.ts";

export type ToModel =
  | { readonly kind: "load"; readonly path: string; readonly options: VlmOptions }
  | { readonly kind: "generate"; readonly request: VlmRequest; readonly options: GenerateOptions };

export type FromModel =
  | { readonly kind: "loaded" }
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "answered"; readonly answer: TimedAnswer };

export type TimedAnswer = Answer & { readonly timings: Timings };

export interface ModelProcess {
  generate(request: VlmRequest, options: GenerateOptions): Promise<TimedAnswer>;
  /** Ends it, whatever it does. */
  close(): Promise<void>;
}

/**
 * Loads a model. The signal ends the process, and so whatever it does.
 * @param quiet says nothing while it takes its time
 */
export async function modelProcess(
  path: string,
  options: VlmOptions,
  { signal, quiet }: { readonly signal: AbortSignal; readonly quiet: boolean },
): Promise<ModelProcess> {
  const worker = workerProcess<ToModel, FromModel>(new URL("./model-worker.js", import.meta.url), {
    load: "while it loaded",
    generate: "while it answered",
  });
  const ask = async <Kind extends FromModel["kind"]>(
    message: ToModel,
    kind: Kind,
    onNews?: (news: FromModel) => void,
  ) => {
    const end = () => void worker.close();
    signal.throwIfAborted();
    signal.addEventListener("abort", end);
    try {
      return await worker.ask(message, kind, onNews);
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    } finally {
      signal.removeEventListener("abort", end);
    }
  };
  const loading = signOfLife("loading the model", quiet);
  try {
    await ask({ kind: "load", path, options }, "loaded");
  } catch (error) {
    await worker.close();
    throw error;
  } finally {
    loading.stop();
  }
  return {
    async generate(request, { signal: _, onText, ...rest }) {
      const life = signOfLife("reading the prompt", quiet);
      try {
        const message: ToModel = { kind: "generate", request, options: rest };
        const { answer } = await ask(message, "answered", (news) => {
          life.stop();
          if (news.kind === "text") onText?.(news.text, 0);
        });
        return answer;
      } finally {
        life.stop();
      }
    },
    close: worker.close,
  };
}

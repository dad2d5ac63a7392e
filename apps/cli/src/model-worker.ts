// The process that runs a model for `modelProcess`.
import { answerParent } from "@vlmopt/bench/process";
import { loadVlm, type Vlm } from "@vlmopt/engine";
import type { FromModel, ToModel } from "./model-process.ts";

let vlm: Vlm | undefined;

answerParent(handle);

async function handle(message: ToModel): Promise<FromModel> {
  if (message.kind === "load") {
    vlm = await loadVlm(message.path, message.options);
    return { kind: "loaded" };
  }
  if (vlm === undefined) throw new Error("the model has not been loaded");
  const say = (news: FromModel) => void process.send?.(news);
  const answer = await vlm.generate(message.request, {
    ...message.options,
    onText: (text) => say({ kind: "text", text }),
  });
  return { kind: "answered", answer };
}

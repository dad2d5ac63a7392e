import { clipForward } from "@vlmopt/models";
import { OptionError } from "@vlmopt/options";
import type { Checkpoint } from "@vlmopt/tensor-io";
import type { DeviceTensor, Executor } from "../executors/executor.ts";
import { preparedOnce } from "../prepared-once.ts";
import { readConfig } from "../read-json.ts";
import { loadTokenizer } from "../text/tokenizer.ts";
import { modelWeights } from "../weights/model-weights.ts";

/** How much patches of a picture have to do with a question. */
export interface QuestionRelevance {
  /**
   * Minus the cosine of each patch and the question, as CDPruner takes it (arXiv:2506.10967): CLIP's patches are the less like a text the more they
   * show of it. A question longer than CLIP's texts is cut into several, of which this is the mean.
   * @param states of patches `[1, patches, hiddenSize]`, where the executor has them
   */
  of(states: DeviceTensor, question: string): Promise<Float64Array>;
  release(): Promise<void>;
}

/**
 * @param checkpoint of the CLIP whose vision tower gave the states
 * @throws {ConfigError} where it is no CLIP
 */
export async function questionRelevance(
  checkpoint: Checkpoint,
  executor: Executor,
): Promise<QuestionRelevance> {
  const config = await readConfig(checkpoint);
  const weights = await modelWeights(checkpoint);
  const clip = clipForward(config, weights.specs);
  const tokenizer = await loadTokenizer(checkpoint);
  const prepared = preparedOnce(executor, weights);
  return {
    async of(states, question) {
      const width = states.shape.at(-1);
      if (width !== clip.visionSize) {
        throw new OptionError(
          `the model's vision tower has states of ${width} numbers, and that of ${checkpoint.location} of ${clip.visionSize}: name the CLIP that the tower is of`,
        );
      }
      const tokens = tokenizer.encode(question);
      const texts: number[][] = [];
      for (let first = 0; first < tokens.length; first += clip.maxTokens) {
        texts.push(tokens.slice(first, first + clip.maxTokens));
      }
      const read = async (tensor: DeviceTensor | undefined) => (tensor as DeviceTensor).read();
      const [patches, words] = [
        await read((await (await prepared(clip.patches)).run({ states })).features),
        await read((await (await prepared(clip.text)).run(clip.textInputsOf(texts))).features),
      ];
      return meanDissimilarity(patches, words, clip.features);
    },
    release: prepared.release,
  };
}

/** Minus the cosine of each patch, on average over texts. */
function meanDissimilarity(patches: Float32Array, texts: Float32Array, size: number): Float64Array {
  const lengthOf = (of: Float32Array) => Math.sqrt(of.reduce((sum, x) => sum + x * x, 0));
  const rowsOf = (of: Float32Array) =>
    Array.from({ length: of.length / size }, (_, i) => of.subarray(i * size, (i + 1) * size));
  const words = rowsOf(texts).map((text) => ({ text, length: lengthOf(text) }));
  return Float64Array.from(rowsOf(patches), (patch) => {
    const length = lengthOf(patch);
    const cosines = words.map(
      ({ text, length: other }) =>
        text.reduce((sum, x, i) => sum + x * (patch[i] as number), 0) / (length * other),
    );
    return -cosines.reduce((sum, cosine) => sum + cosine, 0) / cosines.length;
  });
}

import type { ForwardPass, Ops } from "@vlmopt/models";
import { releaseOnce } from "../../release-once.ts";
import { type ModelWeights, readFloats } from "../../weights/model-weights.ts";
import type { DerivedPass, DeriveOptions, LossTerm } from "../executor.ts";
import { recordPass, weightsOf } from "../recorded-pass.ts";
import type { Tensor, TensorFlow } from "./tensorflow.ts";
import { attend } from "./tfjs-attention.ts";
import { tfjsOps } from "./tfjs-ops.ts";

/** What the executor lends: its backend, and tensors of inputs. */
export interface TfjsPlace {
  readonly tf: TensorFlow;
  select(): Promise<void>;
  tensorOf(input: Parameters<DerivedPass["loss"]>[0][string]): Tensor;
}

/**
 * The loss of a pass, which TensorFlow.js derives itself.
 * @throws {TypeError} where its gradients are not registered, as `@tensorflow/tfjs` does and `@tensorflow/tfjs-core` alone does not
 */
export async function derive(
  { tf, select, tensorOf }: TfjsPlace,
  pass: ForwardPass,
  weights: ModelWeights,
  { trained, loss: terms }: DeriveOptions,
): Promise<DerivedPass> {
  if (tf.getGradient("BatchMatMul") === undefined || tf.getGradient("BatchMatMul") === null) {
    throw new TypeError(
      "TensorFlow.js has no gradients here: install @tensorflow/tfjs, which brings them, beside @tensorflow/tfjs-core",
    );
  }
  const names = [...trained.keys()];
  const frozen = new Map<string, Tensor>();
  for (const name of weightsOf(recordPass(pass))) {
    if (trained.has(name)) continue;
    const data = await readFloats(weights, name);
    await select();
    frozen.set(name, tf.tensor(data, [...(weights.specs.get(name)?.shape ?? [])], "float32"));
  }
  type Given = Parameters<DerivedPass["run"]>;
  const lossOf = (inputs: Given[0], moved: readonly Tensor[]): Tensor => {
    const weightNamed = (name: string): Tensor => {
      const place = names.indexOf(name);
      const found = place < 0 ? frozen.get(name) : moved[place];
      if (found === undefined) throw new TypeError(`there is no weight ${name}`);
      return found;
    };
    const given = Object.fromEntries(
      Object.entries(inputs).map(([name, input]) => [name, tensorOf(input)] as const),
    );
    const outputs = pass.run(trainingOps(tf, weightNamed), given);
    const losses = terms.map((term) =>
      termOf(tf, outputs[term.output] as Tensor, given[term.aim] as Tensor, term),
    );
    return losses.reduce((a, b) => tf.add(a, b));
  };
  const tensorsOf = (parameters: Given[1]) =>
    names.map((name) =>
      tf.tensor(parameters.get(name) ?? new Float32Array(), [...(trained.get(name) ?? [])], "float32"),
    );
  return {
    async run(inputs, parameters) {
      await select();
      const { value, grads } = tf.tidy(() => {
        const found = tf.valueAndGrads((...moved: Tensor[]) => lossOf(inputs, moved))(tensorsOf(parameters));
        return { value: found.value as Tensor, grads: found.grads as Tensor[] };
      });
      const gradients = new Map<string, Float32Array>();
      for (const [n, gradient] of grads.entries()) {
        gradients.set(names[n] as string, (await gradient.data()) as Float32Array);
        gradient.dispose();
      }
      const [loss = 0] = await value.data();
      value.dispose();
      return { loss, gradients };
    },
    async loss(inputs, parameters) {
      await select();
      const value = tf.tidy(() => lossOf(inputs, tensorsOf(parameters)));
      const [loss = 0] = await value.data();
      value.dispose();
      return loss;
    },
    release: releaseOnce(async () => {
      for (const tensor of frozen.values()) tensor.dispose();
    }),
  };
}

/** Passes that are trained say themselves what tokens see, and keep no keys. */
function trainingOps(tf: TensorFlow, weightNamed: (name: string) => Tensor): Ops<Tensor> {
  return {
    ...tfjsOps(tf, weightNamed),
    cachedAttention: (q, k, v, shape, bias) => attend(tf, q, k, v, shape, bias),
  };
}

function termOf(
  tf: TensorFlow,
  output: Tensor,
  aim: Tensor,
  { kind, temperature = 1, weight = 1 }: LossTerm,
): Tensor {
  if (kind === "squares") {
    const size = tf.sum(tf.square(aim), -1, true);
    return tf.mul(tf.sum(tf.div(tf.square(tf.sub(output, aim)), size)), weight);
  }
  const [own, wanted] = [output, aim].map((logits) => tf.logSoftmax(tf.div(logits, temperature))) as [
    Tensor,
    Tensor,
  ];
  return tf.mul(tf.sum(tf.mul(tf.exp(wanted), tf.sub(wanted, own))), weight * temperature ** 2);
}

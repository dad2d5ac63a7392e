import type { ForwardPass } from "@vlmopt/models";
import { releaseOnce } from "../../release-once.ts";
import { type ModelWeights, readFloats } from "../../weights/model-weights.ts";
import { type DeviceTensor, type Executor, isDeviceTensor, type PassInput } from "../executor.ts";
import { recordPass, weightsOf } from "../recorded-pass.ts";
import { type Tensor, type TensorFlow, tensorOf } from "./tensorflow.ts";
import { cacheStep, tfjsCache } from "./tfjs-cache.ts";
import { derive } from "./tfjs-derive.ts";
import { tfjsOps } from "./tfjs-ops.ts";

/**
 * Runs passes by a backend of TensorFlow.js that is registered. Weights are decoded when a pass is prepared, and kept in F32.
 * @throws {Error} where the backend does not start
 */
export async function executorOn(tf: TensorFlow, backend: string): Promise<Executor> {
  await select(tf, backend);
  return {
    name: "tfjs",
    async prepare(pass: ForwardPass, weights: ModelWeights) {
      const loaded = await loadAll(tf, backend, weights, weightsOf(recordPass(pass)));
      const weightNamed = (name: string) => {
        const found = loaded.get(name);
        if (found === undefined) throw new TypeError(`there is no weight ${name}`);
        return found;
      };
      return {
        async run(inputs, step) {
          await select(tf, backend);
          const outputs = tf.tidy(() => {
            const given: Record<string, Tensor> = {};
            for (const [name, input] of Object.entries(inputs)) given[name] = ownTensor(tf, input);
            const cached = step && cacheStep(tf, step);
            const results = pass.run(tfjsOps(tf, weightNamed, cached), given);
            cached?.end();
            // A pass may give back what it was given, or the same twice; everybody releases a tensor of their own.
            return Object.fromEntries(Object.entries(results).map(([name, x]) => [name, tf.clone(x)]));
          });
          return Object.fromEntries(Object.entries(outputs).map(([name, x]) => [name, deviceTensor(x)]));
        },
        release: releaseOnce(async () => {
          for (const tensor of loaded.values()) tensor.dispose();
        }),
      };
    },
    derive: (pass, weights, options) =>
      derive(
        { tf, select: () => select(tf, backend), tensorOf: (input) => ownTensor(tf, input) },
        pass,
        weights,
        options,
      ),
    createCache: tfjsCache,
    async stack(parts, features) {
      await select(tf, backend);
      const rows = (part: DeviceTensor) => tf.reshape(ownTensor(tf, part), [1, -1, features]);
      return deviceTensor(tf.tidy(() => tf.concat(parts.map(rows), 1)));
    },
  };
}

/** TensorFlow.js has one backend at a time, which somebody else may have changed. */
async function select(tf: TensorFlow, backend: string): Promise<void> {
  while (tf.getBackend() !== backend) {
    if (!(await tf.setBackend(backend)))
      throw new Error(`TensorFlow.js's backend ${backend} does not start here`);
  }
}

async function loadAll(
  tf: TensorFlow,
  backend: string,
  weights: ModelWeights,
  names: ReadonlySet<string>,
): Promise<ReadonlyMap<string, Tensor>> {
  const loaded = new Map<string, Tensor>();
  try {
    for (const name of names) {
      const { shape = [] } = weights.specs.get(name) ?? {};
      const data = await readFloats(weights, name);
      await select(tf, backend);
      loaded.set(name, tf.tensor(data, [...shape], "float32"));
    }
    return loaded;
  } catch (error) {
    for (const tensor of loaded.values()) tensor.dispose();
    throw error;
  }
}

interface TfjsTensor extends DeviceTensor {
  readonly tensor: Tensor;
}

/** Those that executors give back stay where they are. */
function ownTensor(tf: TensorFlow, input: PassInput): Tensor {
  return isDeviceTensor(input) ? (input as TfjsTensor).tensor : tensorOf(tf, input);
}

function deviceTensor(tensor: Tensor): TfjsTensor {
  return {
    tensor,
    shape: tensor.shape,
    read: async () => (await tensor.data()) as Float32Array,
    release: () => tensor.dispose(),
  };
}

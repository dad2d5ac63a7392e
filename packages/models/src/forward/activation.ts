import type { ConfigReader } from "../config-reader.ts";
import { ConfigError } from "../description.ts";
import type { Activation } from "./ops.ts";

const activations: Readonly<Record<string, Activation>> = {
  silu: "silu",
  swish: "silu",
  gelu: "gelu",
  gelu_new: "gelu-tanh",
  gelu_fast: "gelu-tanh",
  gelu_pytorch_tanh: "gelu-tanh",
  quick_gelu: "quick-gelu",
  relu: "relu",
};

/** @throws {ConfigError} for an activation that is not known */
export function activationOf(config: ConfigReader, key: string, fallback: string): Activation {
  const name = config.text(key, fallback);
  const activation = activations[name];
  if (activation !== undefined) return activation;
  const known = Object.keys(activations).join(", ");
  throw new ConfigError(`${[...config.path, key].join(".")} "${name}" is not known; known are ${known}`);
}

// What `bench --random-weights` does.
import type { MeasureShapesOptions, ShapeFigures, ShapeSummary, VisualTokensSpec } from "@vlmopt/bench";
import type { VisualTokens } from "@vlmopt/engine";
import { exitCodes } from "../terminal/failure.ts";
import { interruptible } from "../terminal/interrupt.ts";
import { stepProgress } from "../terminal/progress.ts";
import { formatCount } from "../terminal/quantities.ts";
import { formatTable } from "../terminal/table.ts";

export interface RandomWeightsOptions {
  readonly schemes: readonly string[];
  readonly executor?: MeasureShapesOptions["executor"];
  readonly threads?: number | undefined;
  readonly promptTokens?: number | undefined;
  readonly newTokens?: number | undefined;
  readonly repetitions?: number | undefined;
  readonly visualTokens?: VisualTokensSpec | undefined;
  readonly json?: boolean | undefined;
}

/**
 * @param path of a config.json, or of a folder that holds one
 * @param badUsage ends the command with such a message
 */
export async function measureRandomWeights(
  path: string,
  { json = false, schemes, visualTokens, ...options }: RandomWeightsOptions,
  badUsage: (message: string) => never,
): Promise<void> {
  const { assertRandomScheme, measureShapes, readModelConfig, shapeTable } = await import("@vlmopt/bench");
  try {
    for (const scheme of schemes) assertRandomScheme(scheme);
  } catch (error) {
    badUsage(`error: ${(error as Error).message}`);
  }
  const config = await readModelConfig(path);
  const progress = stepProgress(json);
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  const summary = await interruptible((signal) =>
    measureShapes(config, {
      ...given,
      ...(visualTokens && { visualTokens: engineSettings(visualTokens) }),
      schemes,
      signal,
      onProgress: ({ scheme, phase, done, total }) =>
        progress.update(`${scheme}, ${phase}`, done, total, phase === "speed"),
    }),
  ).finally(() => progress.stop());
  const measured = summary.schemes.filter((scheme): scheme is ShapeFigures => scheme.error === null);
  if (json) console.log(JSON.stringify({ config: path, ...summary }, null, 2));
  else if (measured.length > 0) {
    const { head, rows } = shapeTable(summary);
    const columns = head.map((title, i) => (i < 2 ? { title } : { title, align: "right" as const }));
    console.log(`${described(path, summary, measured)}\n\n${formatTable(columns, rows)}`);
  }
  for (const { scheme, error } of summary.schemes) {
    if (error === null) continue;
    process.stderr.write(`error: ${scheme}: ${error.replaceAll("\n", " ")}\n`);
    process.exitCode = exitCodes.failed;
  }
}

function engineSettings({ clip, ...rest }: VisualTokensSpec): VisualTokens {
  return clip === undefined ? rest : { ...rest, clip };
}

function described(
  path: string,
  { protocol, environment }: ShapeSummary,
  [first]: readonly ShapeFigures[],
): string {
  const { parameters = 0, promptTokens = 0, imageTokens = 0, visualTokens } = first ?? {};
  const fewer = visualTokens === undefined ? "" : `, of which ${visualTokens} go on`;
  const picture = imageTokens === 0 ? "" : `, ${imageTokens} of them a picture's${fewer}`;
  const machine = [environment.cpu, ...environment.gpus.map(({ name }) => name)].join(", ");
  return [
    `${path}: ${formatCount(parameters)} random weights; ${machine}`,
    `${promptTokens} tokens of prompt${picture}, ${protocol.newTokens} new ones; medians of ${protocol.repetitions} requests`,
  ].join("\n");
}

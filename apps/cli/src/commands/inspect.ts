import { Command } from "@commander-js/extra-typings";
import { openCheckpoint } from "@vlmopt/tensor-io";
import { formatBytes, formatCount } from "../terminal/quantities.ts";
import { formatTable } from "../terminal/table.ts";
import { type Group, summarize } from "./checkpoint-summary.ts";
import { type GgufSummary, ggufFiles, summarizeGguf } from "./gguf-summary.ts";

export function inspectCommand() {
  return new Command("inspect")
    .summary("show what a checkpoint holds")
    .description(
      "Shows what a checkpoint holds: components, dtypes and tensors, their parameters and bytes. Reads headers only.",
    )
    .argument(
      "<path>",
      "file, folder or URL of a safetensors checkpoint, the URL of a hub repository too; or GGUF files",
    )
    .option("--all", "list every tensor, also where layers repeat")
    .option("--json", "print JSON: the summary and every tensor with its file and offset")
    .addHelpText(
      "after",
      `
Examples:
  $ vlmopt inspect ./llava-1.5-7b-hf
  $ vlmopt inspect ./model.safetensors --all
  $ vlmopt inspect https://hub.example/org/model --json`,
    )
    .action(async (path, options) => {
      const gguf = await ggufFiles(path);
      if (gguf.length > 0) {
        const summaries = await Promise.all(gguf.map(summarizeGguf));
        console.log(
          options.json
            ? JSON.stringify(summaries, null, 2)
            : summaries.map((one) => ggufText(one, options.all === true)).join("\n\n"),
        );
        return;
      }
      await using checkpoint = await openCheckpoint(path);
      const summary = await summarize(checkpoint);
      if (options.json) {
        const tensors = [...checkpoint.tensors.values()];
        console.log(JSON.stringify({ ...summary, metadata: checkpoint.metadata, tensors }, null, 2));
        return;
      }
      const { modelType, files, tensors, parameters, bytes, bitsPerWeight } = summary;
      console.log(
        [
          `${path}${modelType === undefined ? "" : ` (${modelType})`}`,
          `${files.length === 1 ? "1 file" : `${files.length} files`}, ${formatCount(tensors)} tensors, ` +
            `${formatCount(parameters)} parameters, ${formatBytes(bytes)}, ${bitsPerWeight.toFixed(2)} bits per weight`,
          "",
          groupTable("component", summary.components, bytes),
          "",
          groupTable("dtype", summary.dtypes, bytes),
          "",
          tensorTable(
            options.all
              ? [...checkpoint.tensors.values()].map((t) => ({ ...t, count: 1 }))
              : summary.patterns,
          ),
        ].join("\n"),
      );
    });
}

function ggufText({ file, size, version, architecture, tensors, types }: GgufSummary, all: boolean): string {
  const bytes = types.reduce((sum, group) => sum + group.bytes, 0);
  const parameters = types.reduce((sum, group) => sum + group.parameters, 0);
  const rows = tensors.map(({ type, ...tensor }) => ({ ...tensor, dtype: type, count: 1 }));
  return [
    `${file} (GGUF ${version}${architecture === undefined ? "" : `, ${architecture}`})`,
    `${formatCount(tensors.length)} tensors, ${formatCount(parameters)} parameters, ${formatBytes(size)}`,
    "",
    groupTable("type", types, bytes),
    ...(all ? ["", tensorTable(rows)] : []),
  ].join("\n");
}

function groupTable(title: string, groups: readonly Group[], totalBytes: number): string {
  return formatTable(
    [
      { title },
      { title: "tensors", align: "right" },
      { title: "parameters", align: "right" },
      { title: "bytes", align: "right" },
      { title: "share", align: "right" },
    ],
    groups.map(({ name, tensors, parameters, bytes }) => [
      name,
      formatCount(tensors),
      formatCount(parameters),
      formatBytes(bytes),
      `${((100 * bytes) / Math.max(1, totalBytes)).toFixed(1)} %`,
    ]),
  );
}

function tensorTable(
  rows: readonly {
    name: string;
    dtype: string;
    shape: readonly number[];
    byteLength: number;
    count: number;
  }[],
): string {
  return formatTable(
    [
      { title: "tensor" },
      { title: "dtype" },
      { title: "shape" },
      { title: "bytes", align: "right" },
      { title: "" },
    ],
    rows.map(({ name, dtype, shape, byteLength, count }) => [
      name,
      dtype,
      `[${shape.join(", ")}]`,
      formatBytes(byteLength),
      count === 1 ? "" : `× ${count}`,
    ]),
  );
}

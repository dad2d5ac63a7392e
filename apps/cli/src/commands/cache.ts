import { Argument, Command } from "@commander-js/extra-typings";
import { formatBytes, parseBytes } from "../terminal/quantities.ts";
import { formatTable } from "../terminal/table.ts";

export function cacheCommand() {
  return new Command("cache")
    .summary("list or clear the pruned and quantized models that runs keep")
    .description(
      "Runs keep the variants that they make, so that the next run need not make them again. This lists them, or deletes them. Beyond 100 GB, or VLMOPT_CACHE_LIMIT, those that were unused longest go by themselves.",
    )
    .addArgument(
      new Argument("[action]", "what to do").choices(["list", "clear"] as const).default("list" as const),
    )
    .argument("[names...]", "of clear, these alone")
    .option(
      "--to <size>",
      "of clear, until no more than this is left: the longest unused go first",
      parseBytes,
    )
    .option("--json", "print the result as JSON")
    .addHelpText(
      "after",
      `
Examples:
  $ vlmopt cache
  $ vlmopt cache clear
  $ vlmopt cache clear --to 20GB
  $ VLMOPT_CACHE_LIMIT=50GB vlmopt run recipes/seed-study.yaml

It lies below VLMOPT_CACHE, else XDG_CACHE_HOME/vlmopt, else ~/.cache/vlmopt, in the folder made. What a run measures stays.`,
    )
    .action(async (action, names, { to, json }, command) => {
      if (action === "list" && (names.length > 0 || to !== undefined)) {
        command.error("error: list takes no names and no --to");
      }
      if (names.length > 0 && to !== undefined) command.error("error: give names, or --to, not both");
      const { clearMade, listMade, madeFolder, madeLimit } = await import("@vlmopt/bench");
      const folder = madeFolder();
      if (action === "list") {
        const [made, limit] = [await listMade(folder), madeLimit()];
        const bytes = made.reduce((sum, variant) => sum + variant.bytes, 0);
        if (json) return console.log(JSON.stringify({ folder, bytes, limit, made }, null, 2));
        if (made.length > 0) {
          console.log(
            formatTable(
              [{ title: "model" }, { title: "size", align: "right" }, { title: "last used" }, { title: "" }],
              made.map(({ name, bytes: size, usedAt, usedBy }) => [
                name,
                formatBytes(size),
                usedAt.toISOString().slice(0, 16).replace("T", " "),
                usedBy === undefined ? "" : `in use by process ${usedBy.pid} on ${usedBy.host}`,
              ]),
            ),
          );
        }
        console.log(`${folder}: ${formatBytes(bytes)} of at most ${formatBytes(limit)}`);
        return;
      }
      const { gone, stayed } = await clearMade({
        cache: folder,
        ...(names.length === 0 ? {} : { names }),
        ...(to === undefined ? {} : { downTo: to }),
      });
      if (json) return console.log(JSON.stringify({ folder, gone, stayed }, null, 2));
      for (const { name } of stayed) {
        process.stderr.write(
          `${name}: stays, since a run uses it or it holds files that vlmopt did not write\n`,
        );
      }
      const bytes = gone.reduce((sum, variant) => sum + variant.bytes, 0);
      console.log(`${folder}: ${gone.length} deleted, ${formatBytes(bytes)}`);
    });
}

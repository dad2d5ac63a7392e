import { Command } from "@commander-js/extra-typings";

export function reportCommand() {
  return new Command("report")
    .summary("write tables, figures and the page of a run anew")
    .description("Writes results.csv, results.md, figures and report.html of a run into its folder.")
    .argument("<run>", "folder of a run")
    .option("--json", "print the paths as JSON")
    .action(async (folder, { json }) => {
      const { writeReport } = await import("@vlmopt/bench");
      const files = await writeReport(folder);
      if (json) console.log(JSON.stringify(files, null, 2));
      else for (const file of [files.page, files.csv, files.markdown, ...files.figures]) console.log(file);
    });
}

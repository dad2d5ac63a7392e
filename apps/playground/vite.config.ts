import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { defineConfig, type Plugin } from "vite";

const fixtures = join(import.meta.dirname, "../../fixtures");
/** Pictures that the page offers, by the number of their scene. */
const PICTURES = ["000", "001", "003", "005", "006", "008"];

/** What the page serves beside its own: paths below its address, and files. */
function served(): Map<string, string> {
  const model = join(fixtures, "tiny-llava");
  const files = readdirSync(model, { withFileTypes: true }).filter((entry) => entry.isFile());
  return new Map([
    ...files.map(({ name }): [string, string] => [`model/${name}`, join(model, name)]),
    ...PICTURES.map((number): [string, string] => {
      const name = `scene_${number}.png`;
      return [`pictures/${name}`, join(fixtures, "scenes/images", name)];
    }),
  ]);
}

/** Serves the bundled model and pictures, and puts them beside the built page. */
function bundledFiles(): Plugin {
  return {
    name: "bundled-files",
    configureServer(server) {
      const files = served();
      server.middlewares.use((request, response, next) => {
        const file = files.get((request.url ?? "").replace(/^\//, "").replace(/\?.*/, ""));
        if (file === undefined) next();
        else response.end(readFileSync(file));
      });
    },
    generateBundle() {
      for (const [fileName, file] of served()) {
        this.emitFile({ type: "asset", fileName, source: readFileSync(file) });
      }
    },
  };
}

export default defineConfig({
  // It may lie anywhere.
  base: "./",
  plugins: [bundledFiles()],
  build: { target: "es2022", modulePreload: false, chunkSizeWarningLimit: 2000 },
  optimizeDeps: { noDiscovery: true, include: [] },
});

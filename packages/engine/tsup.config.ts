import { builtinModules } from "node:module";
import { defineConfig, type Options } from "tsup";

const common: Options = { format: "esm", sourcemap: true };

/** Node's own modules and native packages, which libraries import and a page never calls. */
const absentModules: NonNullable<Options["esbuildPlugins"]>[number] = {
  name: "absent-modules",
  setup(build) {
    const absent = [...builtinModules, "sharp", "onnxruntime-node", "webgpu"].join("|");
    build.onResolve({ filter: new RegExp(`^(node:)?(${absent})$`) }, ({ path }) => ({
      path,
      namespace: "absent",
    }));
    build.onLoad({ filter: /.*/, namespace: "absent" }, ({ path }) => ({
      contents: `
        function absent() { throw new Error(${JSON.stringify(`${path} is not there in a browser`)}); }
        const get = (_, name) => typeof name === "symbol" || name === "__esModule" ? undefined : absent;
        // Whatever is imported by name is looked for in the prototype.
        module.exports = Object.create(new Proxy({}, { get }));`,
    }));
  },
};

export default defineConfig([
  {
    ...common,
    entry: ["src/index.ts"],
    target: "node20",
    platform: "neutral",
    // Optional, so that tsup does not know it for a dependency.
    external: ["webgpu"],
  },
  {
    ...common,
    entry: ["src/browser.ts"],
    target: "es2022",
    platform: "browser",
    treeshake: true,
    // As they are named, `absentModules` finds them.
    removeNodeProtocol: false,
    noExternal: [/.*/],
    esbuildPlugins: [absentModules],
  },
]);

import { readFileSync } from "node:fs";
import { defineConfig } from "vitest/config";

// `pnpm test` runs workspace packages from their source, `pnpm test:dist` from what they publish. Tests of a package's public
// interface import it by its own name, so that they run both ways.
const dist = process.env.VLMOPT_TEST_DIST === "1";
const slow = process.env.VLMOPT_TEST_SLOW === "1";
const { name } = JSON.parse(readFileSync("package.json", "utf8")) as { name: string };
const conditions = dist ? ["node", "import"] : ["@vlmopt/source", "node", "import"];

export default defineConfig({
  resolve: {
    alias: [
      {
        find: new RegExp(`^${name}$`),
        replacement: `${process.cwd()}/${dist ? "dist/index.js" : "src/index.ts"}`,
      },
    ],
  },
  ssr: { resolve: { conditions } },
  test: {
    include: [slow ? "src/**/*.slow.test.ts" : "src/**/*.test.ts"],
    exclude: slow ? [] : ["src/**/*.slow.test.ts"],
    pool: "forks",
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // Seconds are short where all packages are tested at once.
    expect: { poll: { timeout: 20_000 } },
    // Tests that watch other processes starve on a busy machine: CI tries a failed test once more, and prints that it did.
    retry: process.env.CI ? 1 : 0,
    passWithNoTests: slow,
  },
});

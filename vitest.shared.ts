import { defineConfig } from "vitest/config";

// `pnpm test` resolves workspace packages to their source, `pnpm test:dist` to what they publish.
const dist = process.env.VLMOPT_TEST_DIST === "1";

export default defineConfig({
  resolve: { conditions: dist ? [] : ["@vlmopt/source"] },
  ssr: { resolve: { conditions: dist ? ["node", "import"] : ["@vlmopt/source", "node", "import"] } },
  test: {
    include: process.env.VLMOPT_TEST_SLOW === "1" ? ["src/**/*.slow.test.ts"] : ["src/**/*.test.ts"],
    exclude: process.env.VLMOPT_TEST_SLOW === "1" ? [] : ["src/**/*.slow.test.ts"],
    pool: "forks",
    testTimeout: 30_000,
  },
});

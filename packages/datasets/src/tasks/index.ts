import { ai2d } from "./ai2d.ts";
import { chartqa } from "./chartqa.ts";
import { docvqa } from "./docvqa.ts";
import { gqa } from "./gqa.ts";
import { mmbench } from "./mmbench.ts";
import { mme } from "./mme.ts";
import { mmmu } from "./mmmu.ts";
import { ocrbench } from "./ocrbench.ts";
import { pope } from "./pope.ts";
import { refcoco } from "./refcoco.ts";
import { scienceqa } from "./scienceqa.ts";
import { seedbench } from "./seedbench.ts";
import type { Task } from "./task.ts";
import { textvqa } from "./textvqa.ts";
import { vizwiz } from "./vizwiz.ts";
import { vqaonline } from "./vqaonline.ts";
import { vqav2 } from "./vqav2.ts";

/** Benchmarks that are known by their names. */
export const tasks: readonly Task[] = [
  ...[gqa, vqav2, textvqa, vizwiz, pope, mme, mmbench, scienceqa, seedbench],
  ...[mmmu, ocrbench, chartqa, docvqa, ai2d, refcoco, vqaonline],
];

// What puts a model into a process of its own, apart from the rest: it starts in no time.
export { answerParent } from "./targets/answer-parent.ts";
export { type Failed, type WorkerProcess, workerProcess } from "./targets/worker-process.ts";

import { BenchError } from "../bench-error.ts";

/** One request could not be answered; what was asked can be asked further. */
export class RequestFailure extends BenchError {}

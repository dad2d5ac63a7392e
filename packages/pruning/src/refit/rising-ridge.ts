/** λ beyond which an F32 Gram matrix of finite numbers is positive definite, whatever it is. */
const GREATEST = 1e4;

/**
 * Works with a ridge of λ · scale, and with ten times that as long as the matrix is not positive definite, which a Gram matrix in F32
 * may miss by its rounding.
 * @param scale mean of the matrix's diagonal; where it is 0, 1 is taken
 * @param work throws a RangeError where the matrix is not positive definite
 */
export async function withRisingRidge<T>(
  scale: number,
  lambda: number,
  work: (ridge: number) => Promise<T>,
): Promise<{ readonly result: T; readonly lambda: number; readonly ridge: number }> {
  const unit = scale > 0 ? scale : 1;
  for (let tried = lambda; ; tried = Math.max(10 * tried, 1e-6)) {
    const ridge = tried * unit;
    try {
      return { result: await work(ridge), lambda: tried, ridge };
    } catch (error) {
      if (!(error instanceof RangeError) || tried > GREATEST) throw error;
    }
  }
}

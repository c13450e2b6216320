// What went wrong in a round of the compactor, for whoever started it: a cron job's exit status, a service's readiness.
// Specification: none; nothing here stops a round, each failure is in the log where it happens.
// Owns the list of what failed, and of the blocks that were newly set aside.
import { MnemoError } from '../kit/errors.ts'

export class Round {
  readonly #failures = new Map<string, MnemoError>()
  readonly #setAside = new Set<string>()

  /** Work that is left for the next round: a group by its key, a block by its ULID. */
  get failures(): ReadonlyMap<string, MnemoError> {
    return this.#failures
  }

  /** Blocks that got a no-compact or no-downsample mark in this round. */
  get setAside(): ReadonlySet<string> {
    return this.#setAside
  }

  failed(what: string, error: MnemoError): void {
    this.#failures.set(what, error)
  }

  /** What failed before has gone through. */
  succeeded(what: string): void {
    this.#failures.delete(what)
  }

  setBlockAside(ulid: string): void {
    this.#setAside.add(ulid)
  }

  /** The round as one error; undefined where all went well. Its code is the first failure's. */
  get error(): MnemoError | undefined {
    const [first] = this.#failures.values()
    const setAside = [...this.#setAside].sort()
    const parts = [
      ...(first ? [`${this.#failures.size} failed, the first of them is the cause`] : []),
      ...(setAside.length > 0 ? [`blocks newly set aside: ${setAside.join(', ')}`] : []),
    ]
    if (parts.length === 0) return undefined
    const message = `not all of the bucket's blocks could be worked on: ${parts.join('; ')}`
    return new MnemoError(first?.code ?? 'corrupt', message, first ? { cause: first } : {})
  }
}

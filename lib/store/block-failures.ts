// What a request makes of blocks that it cannot read: warnings that name them, or an error where it wants all or nothing.
// An object that is gone is no failure at first where its block is: another process has deleted that, and what replaced it is asked.
// Owns that decision, and the warnings until they are sent; each is sent once.
import { asMnemoError, describeError, MnemoError } from '../kit/errors.ts'
import { abortReason } from '../storeapi/merge.ts'
import { type CompiledMatcher, matchersInside } from './block-labels.ts'
import { type BlockLease, overlaps, type ServedBlocks } from './loaded-blocks.ts'
import type { TimeBounds } from './store-info.ts'

export class BlockFailures {
  readonly #blocks: ServedBlocks
  readonly #isAllOrNothing: boolean
  readonly #failed = new Set<string>()
  readonly #seen = new Set<string>()
  #pending: string[] = []
  #isReplanned = false
  #isPlanLost = false

  constructor(blocks: ServedBlocks, isAllOrNothing: boolean) {
    this.#blocks = blocks
    this.#isAllOrNothing = isAllOrNothing
  }

  /** True where a block was gone, until startOver(). */
  get isPlanLost(): boolean {
    return this.#isPlanLost
  }

  /** From now on a block that is gone is a failure. */
  startOver(): void {
    this.#isPlanLost = false
    this.#isReplanned = true
    this.#failed.clear()
  }

  /** Throws where the request cannot go on without the block. */
  async add(ulid: string, error: unknown, signal: AbortSignal): Promise<void> {
    const cause = asMnemoError(error)
    if (cause.code === 'not_found' && !this.#isReplanned) {
      this.#isPlanLost ||= await this.#blocks.isGone(ulid, signal)
      if (this.#isPlanLost) return
    }
    this.#failed.add(ulid)
    this.#fail(`cannot read block ${ulid}`, cause)
  }

  /** Blocks that the request would have read, had they been loaded; throws where it cannot go on without them. */
  addMissing(range: TimeBounds, matchers: readonly CompiledMatcher[]): void {
    for (const { ulid, meta, error } of this.#blocks.missing) {
      if (meta && !(overlaps(meta, range) && matchersInside(meta.thanos.labels, matchers))) continue
      this.#fail(`cannot read block ${ulid}, which could not be loaded`, error)
    }
  }

  addListing(error: unknown): void {
    this.#fail('cannot bring the list of blocks up to date', asMnemoError(error))
  }

  #fail(message: string, cause: MnemoError): void {
    // A limit is the request's own matter: with a part of the answer it would only look answered.
    if (this.#isAllOrNothing || cause.code === 'resource_exhausted') {
      const code = cause.code === 'not_found' ? 'unavailable' : cause.code
      throw new MnemoError(code, message, { cause })
    }
    const warning = `${message}: ${describeError(cause)}`
    if (this.#seen.has(warning)) return
    this.#seen.add(warning)
    this.#pending.push(warning)
  }

  *takeWarnings(): Generator<{ readonly kind: 'warning'; readonly warning: string }> {
    const pending = this.#pending
    this.#pending = []
    for (const warning of pending) yield { kind: 'warning', warning }
  }

  /** The blocks that were read to their end. */
  without(lease: BlockLease): string[] {
    return lease.blocks.map(({ ulid }) => ulid).filter((ulid) => !this.#failed.has(ulid))
  }
}

/** Brings the block list up to date before the second plan. The sync itself belongs to the process: others may wait for it too. */
export async function refresh(
  blocks: ServedBlocks,
  processSignal: AbortSignal,
  signal: AbortSignal,
  failures: BlockFailures,
): Promise<void> {
  failures.startOver()
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  const onAbort = (): void => reject(abortReason(signal))
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    await Promise.race([blocks.resync(processSignal), aborted])
  } catch (error) {
    if (signal.aborted) throw error
    failures.addListing(error)
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

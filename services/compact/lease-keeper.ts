// The compactor's turn at its share of the bucket: a lease that is taken when it is needed, and kept until the service ends.
// Owns the lease and a connection of its own: renewals are no uploads of blocks, and must not look like them in metrics.
import { MnemoError } from '../../lib/kit/errors.ts'
import type { Logger } from '../../lib/kit/log.ts'
import type { Bucket } from '../../lib/objstore/bucket.ts'
import { acquireLease, isHeld, type Lease } from '../../lib/objstore/lease.ts'

export interface LeaseKeeperOptions {
  /** Without metrics. */
  readonly bucket: Bucket
  readonly name: string
  /** 0: there is no lease, and it is always this one's turn. */
  readonly durationMs: number
  readonly logger: Logger
  readonly signal: AbortSignal
}

export class LeaseKeeper {
  readonly #options: LeaseKeeperOptions
  #lease: Lease | undefined
  /** The bucket does not let us have one. */
  #without = false

  constructor(options: LeaseKeeperOptions) {
    this.#options = options
  }

  /** Whether the lease is held now, or none is wanted. */
  get isOurs(): boolean {
    return this.#options.durationMs === 0 || this.#without || (this.#lease !== undefined && !this.#lease.lost.aborted)
  }

  /**
   * Takes the lease unless it is held already. A signal that aborts when another process takes it; undefined where
   * another one has it, said in the log. Throws where the bucket cannot be reached.
   */
  async acquire(): Promise<AbortSignal | undefined> {
    const { durationMs, logger } = this.#options
    if (durationMs === 0 || this.#without) return new AbortController().signal
    if (this.#lease && !this.#lease.lost.aborted) return this.#lease.lost
    this.#lease = undefined
    try {
      const lease = await acquireLease(this.#options)
      if (isHeld(lease)) {
        logger.info({ holder: lease.holder, ageMs: lease.ageMs }, 'another compactor is at work: nothing is done here')
        return undefined
      }
      this.#lease = lease
      return lease.lost
    } catch (error) {
      this.#options.signal.throwIfAborted()
      if (!(error instanceof MnemoError) || error.retryable) throw error
      this.#without = true
      logger.warn({ err: error }, 'the bucket takes no lease: going on without, two compactors may do the same work')
      return new AbortController().signal
    }
  }

  async release(): Promise<void> {
    await this.#lease?.release()
    this.#lease = undefined
  }
}

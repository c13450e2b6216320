// A source that is read front to back through one window: what is at hand is borrowed without waiting.
// Memory is the window, and what is read ahead. What a window held goes when the caller says so: garbage of this size would wait
// for a collection that comes late. Owns the window's bytes.
import type { RandomAccess } from './random-access.ts'

const defaultWindowBytes = 1024 * 1024
/** Of what was read ahead so much of a window is joined to the end of the one at hand where bytes stand across both. */
const bridgePart = 1 / 8

/** Bytes at hand. */
export interface Window {
  /** Offset in the source of the first byte. */
  readonly start: number
  readonly bytes: Uint8Array
}

export interface ForwardWindowOptions {
  readonly windowBytes?: number
  /** Windows that have been moved past are kept until release() frees them, ahead of the garbage collector. */
  readonly releasable?: boolean
  /** What follows the window is on its way while that is used: for a source that takes its time. */
  readonly readsAhead?: boolean
}

/** Bytes that are not needed yet. An outcome, not a rejection: nobody may be waiting when it fails. */
interface Ahead {
  readonly start: number
  readonly outcome: Promise<{ readonly bytes: Uint8Array } | { readonly error: unknown }>
}

const nothing: Window = { start: 0, bytes: new Uint8Array() }

/** Serves reads that move forward from a window of the source; any other read goes through. Reads are views of the window. */
export class ForwardWindow implements RandomAccess {
  readonly name: string
  readonly sizeBytes: number
  readonly #source: RandomAccess
  readonly #windowBytes: number
  readonly #releasable: boolean
  readonly #readsAhead: boolean
  readonly #past: Uint8Array[] = []
  #window = nothing
  /** Begins where the window ends, or, once its first bytes have been joined to it, inside. */
  #ahead: Ahead | undefined

  constructor(source: RandomAccess, options: ForwardWindowOptions = {}) {
    this.name = source.name
    this.sizeBytes = source.sizeBytes
    this.#source = source
    this.#windowBytes = options.windowBytes ?? defaultWindowBytes
    this.#releasable = options.releasable ?? false
    this.#readsAhead = options.readsAhead ?? false
  }

  async read(offset: number, length: number, signal?: AbortSignal): Promise<Uint8Array> {
    let window = this.#window
    if (offset < window.start || offset + length > window.start + window.bytes.length) {
      if (length >= this.#windowBytes) return this.#source.read(offset, length, signal)
      // Another read may move on before this one goes on: its bytes are those that it has read itself.
      window = await this.#move(offset, length, signal)
    }
    return window.bytes.subarray(offset - window.start, offset - window.start + length)
  }

  /** What is at hand now: valid until the window moves and release() is called. */
  get atHand(): Window {
    return this.#window
  }

  /** Has the offset, which is in the source, and `likelyBytes` behind it at hand, or as many of them as a window holds. */
  async moveTo(offset: number, likelyBytes: number, signal?: AbortSignal): Promise<void> {
    await this.#move(offset, Math.min(likelyBytes, this.#windowBytes, this.sizeBytes - offset), signal)
  }

  async #move(offset: number, atLeast: number, signal: AbortSignal | undefined): Promise<Window> {
    const window = (await this.#fromAhead(offset, atLeast)) ?? {
      start: offset,
      bytes: await this.#read(offset, atLeast, signal),
    }
    if (this.#releasable) this.#past.push(this.#window.bytes)
    this.#window = window
    if (this.#readsAhead && this.#ahead === undefined) this.#readOn(signal)
    return window
  }

  #read(offset: number, atLeast: number, signal: AbortSignal | undefined): Promise<Uint8Array> {
    return this.#source.read(offset, Math.max(atLeast, Math.min(this.#windowBytes, this.sizeBytes - offset)), signal)
  }

  #readOn(signal: AbortSignal | undefined): void {
    const start = this.#window.start + this.#window.bytes.length
    if (start === this.sizeBytes) return
    const outcome = this.#read(start, 0, signal).then(
      (bytes) => ({ bytes }),
      (error: unknown) => ({ error }),
    )
    this.#ahead = { start, outcome }
  }

  /** From what was read ahead; undefined where that does not have the bytes that are wanted, and is dropped. */
  async #fromAhead(offset: number, atLeast: number): Promise<Window | undefined> {
    const ahead = this.#ahead
    if (ahead === undefined) return undefined
    const outcome = await ahead.outcome
    // Another read has taken it meanwhile.
    if (this.#ahead !== ahead) return undefined
    const { start, bytes } = this.#window
    // What failed is read again, to be told why.
    const following = 'error' in outcome ? undefined : outcome.bytes
    const isOfUse =
      following !== undefined &&
      start <= offset &&
      ahead.start <= start + bytes.length &&
      offset + atLeast <= ahead.start + following.length
    if (!isOfUse) {
      this.#ahead = undefined
      if (following) free(following)
      return undefined
    }
    if (offset < ahead.start) {
      const rest = bytes.subarray(offset - start, ahead.start - start)
      const bridge = following.subarray(0, Math.max(Math.ceil(this.#windowBytes * bridgePart), atLeast - rest.length))
      return { start: offset, bytes: joinBytes(rest, bridge) }
    }
    this.#ahead = undefined
    return { start: ahead.start, bytes: following }
  }

  /** Frees what is at hand, too: nothing is borrowed any more. */
  close(): void {
    this.#past.push(this.#window.bytes)
    this.#window = nothing
    this.release()
    void this.#ahead?.outcome.then((outcome) => 'bytes' in outcome && free(outcome.bytes))
    this.#ahead = undefined
  }

  /** Frees what reads have moved past. */
  release(): void {
    if (this.#past.length > 0) this.#past.splice(0).forEach(free)
  }
}

function joinBytes(first: Uint8Array, second: Uint8Array): Uint8Array {
  // No pool, and no zeros that are written over.
  const joined = Buffer.allocUnsafeSlow(first.length + second.length)
  joined.set(first)
  joined.set(second, first.length)
  return new Uint8Array(joined.buffer)
}

function free({ buffer, byteLength }: Uint8Array): void {
  if (byteLength > 0 && buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0)
}

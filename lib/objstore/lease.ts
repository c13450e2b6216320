// An expiring lease in a bucket: of several processes one at a time holds it, and of one that was killed it passes on.
// The lease is the object of the highest generation in a folder; taking, renewing and giving it back each put the next
// generation, which a conditional put lets one of them do. Ages are told by the bucket's clock against ours; where they
// say that it has expired, or make no sense, the lease is watched for as long as its holder would take to renew it.
// Owns the folder mnemo/leases/<name>. Nothing may rest on it: a bucket without conditional puts lets two holders through.
import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import { asMnemoError, MnemoError } from '../kit/errors.ts'
import type { Logger } from '../kit/log.ts'
import type { Bucket } from './bucket.ts'

export interface LeaseOptions {
  readonly bucket: Bucket
  /** A path of the lease's own. */
  readonly name: string
  /** After this long without a renewal another process may take it; it is renewed three times as often. */
  readonly durationMs: number
  readonly logger: Logger
  readonly signal: AbortSignal
}

export interface Lease {
  /** Aborts (`unavailable`) where another process has taken the lease. */
  readonly lost: AbortSignal
  /** Gives it back; what goes wrong is logged, the lease then expires. */
  release(): Promise<void>
}

/** Another process holds the lease. */
export interface HeldLease {
  readonly holder: string
  readonly ageMs: number
}

/** Nobody holds the lease. */
interface FreeLease {
  /** The last one that was put; 0: there is none. */
  readonly generation: number
}

interface Entry {
  readonly generation: number
  readonly lastModifiedMs: number
}

interface Content {
  readonly version: 1
  readonly holder: string
  readonly durationMs: number
  readonly released: boolean
}

const maxContentBytes = 4096
const releaseTimeoutMs = 10_000
/** Of a lease that cannot be read, where the one who asks has none himself. */
const usualDurationMs = 60_000
const digits = 12
const leasesFolder = 'mnemo/leases/'

/** Takes the lease, or tells who has it. Throws where the bucket fails. */
export async function acquireLease(options: LeaseOptions): Promise<Lease | HeldLease> {
  const objects = new LeaseObjects(options)
  const there = await objects.watch()
  if (isHeld(there)) return there
  const generation = there.generation + 1
  const taken = await objects.put(generation, false)
  return taken ?? new RenewedLease(objects, generation, options)
}

export function isHeld(lease: Lease | HeldLease | FreeLease): lease is HeldLease {
  return 'holder' in lease
}

/**
 * Who holds a lease of the bucket now, whatever its name: for tools that must not change blocks beside a compactor. Takes half
 * of a lease's duration where one was not given back, and by the clocks has expired.
 */
export async function heldLeases(options: Pick<LeaseOptions, 'bucket' | 'logger' | 'signal'>): Promise<HeldLease[]> {
  const names = new Set<string>()
  for await (const { name } of options.bucket.list(leasesFolder, { recursive: true, signal: options.signal }))
    names.add(name.slice(leasesFolder.length, name.lastIndexOf('/')))
  const leases = [...names].map((name) => new LeaseObjects({ ...options, name, durationMs: usualDurationMs }).watch())
  return (await Promise.all(leases)).filter(isHeld)
}

/** The objects of a lease, as this process uses them. */
class LeaseObjects {
  readonly #options: LeaseOptions
  readonly #folder: string
  readonly #holder = `${hostname()} pid ${process.pid} ${randomUUID().slice(0, 8)}`

  constructor(options: LeaseOptions) {
    this.#options = options
    this.#folder = `${leasesFolder}${options.name}/`
  }

  /** Whether somebody holds it. Where the clocks say that it has expired, or make no sense, a renewal is waited for. */
  async watch(): Promise<HeldLease | FreeLease> {
    const { logger, signal } = this.#options
    const top = await this.top()
    if (!top) return { generation: 0 }
    const content = await this.read(top)
    if (content?.released) return top
    const durationMs = content?.durationMs ?? this.#options.durationMs
    const holder = content?.holder ?? 'an unknown process'
    const ageMs = Date.now() - top.lastModifiedMs
    if (ageMs >= 0 && ageMs <= durationMs) return { holder, ageMs }
    logger.info({ holder, ageMs }, 'a lease seems to have expired: watching whether it is renewed')
    await sleep(durationMs / 2, signal)
    const later = await this.top()
    return later && later.generation !== top.generation ? { holder, ageMs: 0 } : (later ?? { generation: 0 })
  }

  async top(signal = this.#options.signal): Promise<Entry | undefined> {
    let top: Entry | undefined
    for await (const { name, lastModifiedMs = 0 } of this.#options.bucket.list(this.#folder, { signal })) {
      const generation = generationOf(name.slice(this.#folder.length))
      if (generation > (top?.generation ?? 0)) top = { generation, lastModifiedMs }
    }
    return top
  }

  /** Undefined where it cannot be read, or went meanwhile. */
  async read({ generation }: Entry, signal = this.#options.signal): Promise<Content | undefined> {
    const { bucket } = this.#options
    try {
      const bytes = await bucket.getRange(this.#name(generation), 0, maxContentBytes, signal)
      const content = JSON.parse(Buffer.from(bytes).toString('utf8')) as Partial<Content> | null
      if (content?.version !== 1 || typeof content.durationMs !== 'number') return undefined
      const { durationMs, released = false, holder = '' } = content
      return { version: 1, durationMs, released, holder: String(holder) }
    } catch (error) {
      if (error instanceof SyntaxError || asMnemoError(error).code === 'not_found') return undefined
      throw error
    }
  }

  /** Puts the next generation and takes older ones away; tells who was faster. */
  async put(generation: number, released: boolean, signal = this.#options.signal): Promise<HeldLease | undefined> {
    const { bucket, durationMs } = this.#options
    const content: Content = { version: 1, holder: this.#holder, durationMs, released }
    let isNew = true
    try {
      await bucket.putIfAbsent(this.#name(generation), Buffer.from(JSON.stringify(content)), signal)
    } catch (error) {
      if (!(error instanceof MnemoError && error.code === 'already_exists')) throw error
      isNew = false // another's, or ours where the answer to the first attempt was lost
    }
    // A process that slept may put a generation that has come and gone; and not each bucket heeds the condition.
    const top = await this.top(signal)
    const there = top && (await this.read(top, signal))
    if (top?.generation === generation && there?.holder === this.#holder) {
      await this.#removeOlder(generation, signal)
      return undefined
    }
    if (isNew && top?.generation !== generation) await bucket.delete(this.#name(generation), signal)
    return { holder: there?.holder ?? 'another process', ageMs: 0 }
  }

  async #removeOlder(generation: number, signal: AbortSignal): Promise<void> {
    const { bucket } = this.#options
    for await (const { name } of bucket.list(this.#folder, { signal }))
      if (generationOf(name.slice(this.#folder.length)) < generation) await bucket.delete(name, signal)
  }

  #name(generation: number): string {
    return `${this.#folder}${String(generation).padStart(digits, '0')}`
  }
}

/** 0 where the name is none of ours. */
function generationOf(name: string): number {
  return /^\d{12}$/.test(name) ? Number(name) : 0
}

class RenewedLease implements Lease {
  readonly #objects: LeaseObjects
  readonly #logger: Logger
  readonly #lost = new AbortController()
  readonly #timer: NodeJS.Timeout
  #generation: number
  #renewing: Promise<void> = Promise.resolve()

  constructor(objects: LeaseObjects, generation: number, { durationMs, logger }: LeaseOptions) {
    this.#objects = objects
    this.#generation = generation
    this.#logger = logger
    this.#timer = setInterval(() => {
      this.#renewing = this.#renewing.then(() => this.#renew())
    }, durationMs / 3)
  }

  get lost(): AbortSignal {
    return this.#lost.signal
  }

  async #renew(): Promise<void> {
    if (this.#lost.signal.aborted) return
    try {
      const taken = await this.#objects.put(this.#generation + 1, false)
      if (!taken) {
        this.#generation++
        return
      }
      clearInterval(this.#timer)
      this.#lost.abort(new MnemoError('unavailable', `cannot go on: the lease was taken by ${taken.holder}`))
    } catch (err) {
      this.#logger.warn({ err }, 'could not renew the lease: it is tried again')
    }
  }

  async release(): Promise<void> {
    clearInterval(this.#timer)
    await this.#renewing
    if (this.#lost.signal.aborted) return
    try {
      await this.#objects.put(this.#generation + 1, true, AbortSignal.timeout(releaseTimeoutMs))
    } catch (err) {
      this.#logger.warn({ err }, 'could not give the lease back: it expires')
    }
  }
}

function sleep(durationMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      clearTimeout(timer)
      reject(signal.reason)
    }
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', onAbort)
      resolve()
    }, durationMs)
    signal.addEventListener('abort', onAbort, { once: true })
    if (signal.aborted) onAbort()
  })
}

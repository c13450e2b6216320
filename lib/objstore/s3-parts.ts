// An object uploaded to S3 as it is read: in one request where it is no longer than a part, else in parts, a few at a time.
// Specification: S3 API reference, "Uploading and copying objects using multipart upload".
// Owns the memory of the parts that are on their way, and what was uploaded until the object is whole.
import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  PutObjectCommand,
  type PutObjectCommandInput,
  type S3Client,
  UploadPartCommand,
  type UploadPartCommandInput,
} from '@aws-sdk/client-s3'
import { freeChunk } from '../bytes/file-stream.ts'
import { MnemoError } from '../kit/errors.ts'
import { abortOptions } from './s3-client.ts'

const maxParts = 10_000

export interface PartsUpload {
  readonly client: S3Client
  readonly object: { readonly Bucket: string; readonly Key: string }
  /** What the object is put with. */
  readonly params: Omit<PutObjectCommandInput, 'Bucket' | 'Key' | 'Body'>
  /** What comes with each request again: a customer's key. */
  readonly partParams: Pick<UploadPartCommandInput, 'SSECustomerAlgorithm' | 'SSECustomerKey'>
  readonly partSizeBytes: number
  /** Parts that are in memory at once. */
  readonly maxInFlight: number
}

/** Uploads what the source yields. Where it fails, its parts are taken back; throws what the SDK and the source throw. */
export async function uploadParts(
  source: AsyncIterable<Uint8Array>,
  upload: PartsUpload,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { client, object, params } = upload
  const reader = new PartReader(source)
  const memory = Buffer.allocUnsafeSlow(upload.partSizeBytes)
  const first = await reader.next(memory)
  if (first === undefined || first.isLast) {
    const Body = first?.bytes ?? new Uint8Array(0)
    await client.send(new PutObjectCommand({ ...object, ...params, Body }), abortOptions(signal))
    return free([memory])
  }
  const created = await client.send(new CreateMultipartUploadCommand({ ...object, ...params }), abortOptions(signal))
  const begun = { ...upload, object: { ...object, UploadId: created.UploadId } }
  try {
    const { parts, memories } = await sendParts(reader, { part: first, memory }, begun, signal)
    const whole = { ...begun.object, ...upload.partParams, MultipartUpload: { Parts: parts } }
    await client.send(new CompleteMultipartUploadCommand(whole), abortOptions(signal))
    free(memories)
  } catch (error) {
    // Best effort: the server's own rules for unfinished uploads take what stays.
    await client.send(new AbortMultipartUploadCommand(begun.object)).catch(() => {})
    throw error
  }
}

type BegunUpload = PartsUpload & { readonly object: { readonly UploadId: string | undefined } }

/** Sends the first part and all that follow, and gives back their memory; when it has failed, none is on its way any more. */
async function sendParts(
  reader: PartReader,
  first: { readonly part: Part; readonly memory: Buffer },
  { client, object, partParams, partSizeBytes, maxInFlight }: BegunUpload,
  signal: AbortSignal | undefined,
): Promise<{ parts: CompletedPart[]; memories: Buffer[] }> {
  const failing = new AbortController()
  const abortSignal = signal ? AbortSignal.any([signal, failing.signal]) : failing.signal
  const parts: CompletedPart[] = []
  const memories = [first.memory]
  const send = async ({ number, bytes }: Part) => {
    const input = { ...object, ...partParams, PartNumber: number, Body: bytes }
    const { ETag } = await client.send(new UploadPartCommand(input), { abortSignal })
    parts[number - 1] = { PartNumber: number, ETag }
  }
  const run = async (memory: Buffer, known?: Part) => {
    try {
      for (let part = known; ; part = undefined) {
        part ??= await reader.next(memory)
        if (part === undefined) return
        await send(part)
      }
    } catch (error) {
      failing.abort(error)
      throw error
    }
  }
  const runs = [run(first.memory, first.part)]
  while (runs.length < maxInFlight) {
    const memory = Buffer.allocUnsafeSlow(partSizeBytes)
    memories.push(memory)
    runs.push(run(memory))
  }
  const outcomes = await Promise.allSettled(runs)
  // The others fail for the first one's sake.
  if (failing.signal.aborted) throw failing.signal.reason
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
  return { parts, memories }
}

interface Part {
  /** From 1. */
  readonly number: number
  readonly bytes: Uint8Array
  readonly isLast: boolean
}

/** Cuts a source into parts; several may ask at once, and are served in turn. */
class PartReader {
  readonly #source: AsyncIterator<Uint8Array>
  #chunk: Uint8Array = new Uint8Array(0)
  /** Of the chunk, how many bytes are in parts. */
  #taken = 0
  #number = 0
  #isAtEnd = false
  #turn: Promise<unknown> = Promise.resolve()

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]()
  }

  /** The next part, which fills `memory` unless it is the last; undefined behind that one. Throws as the source does. */
  next(memory: Uint8Array): Promise<Part | undefined> {
    const part = this.#turn.then(() => this.#read(memory))
    this.#turn = part.catch(() => {})
    return part
  }

  async #read(memory: Uint8Array): Promise<Part | undefined> {
    if (this.#isAtEnd) return undefined
    let filled = 0
    while ((await this.#hasMore()) && filled < memory.length) {
      const bytes = this.#chunk.subarray(this.#taken, this.#taken + memory.length - filled)
      memory.set(bytes, filled)
      filled += bytes.length
      this.#taken += bytes.length
    }
    if (++this.#number > maxParts)
      throw new MnemoError('bad_data', `cannot upload: got more than ${maxParts} parts of ${memory.length} bytes`)
    return { number: this.#number, bytes: memory.subarray(0, filled), isLast: this.#isAtEnd }
  }

  async #hasMore(): Promise<boolean> {
    while (this.#taken === this.#chunk.length && !this.#isAtEnd) {
      freeChunk(this.#chunk)
      // A source that throws is at its end.
      this.#isAtEnd = true
      const next = await this.#source.next()
      this.#isAtEnd = next.done === true
      if (next.done) break
      this.#chunk = next.value
      this.#taken = 0
    }
    return !this.#isAtEnd
  }
}

/** Gives memory back at once that no request reads any more: the server has told that it has all of it. */
function free(memories: readonly Buffer[]): void {
  for (const { buffer } of memories) if (buffer instanceof ArrayBuffer) buffer.transfer(0)
}

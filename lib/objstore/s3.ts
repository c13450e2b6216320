// A bucket on S3 or a server that speaks it.
// Specification: S3 API reference; what Ceph's gateway does differently (empty ETag after a multipart upload) is allowed for.
// Owns the client; large uploads go in parts (s3-parts.ts), small ones in one request.
import { Readable } from 'node:stream'
import {
  DeleteObjectCommand,
  GetObjectCommand,
  type GetObjectCommandInput,
  type GetObjectCommandOutput,
  HeadObjectCommand,
  ListObjectsCommand,
  ListObjectsV2Command,
  type ListObjectsV2CommandOutput,
  PutObjectCommand,
  type PutObjectCommandInput,
  type S3Client,
} from '@aws-sdk/client-s3'
import { MnemoError } from '../kit/errors.ts'
import type { Logger } from '../kit/log.ts'
import type { Bucket, ListedObject, ObjectAttributes, ObjectBody } from './bucket.ts'
import { abortable, throwIfAborted } from './failures.ts'
import { LocalFile } from './local-file.ts'
import { checkObjectName, checkRange, compareListed, folderPrefix } from './names.ts'
import { backoff } from './retry.ts'
import { abortOptions, createS3Client } from './s3-client.ts'
import type { Encryption, PutSettings, S3Settings } from './s3-config.ts'
import { attemptsOf, s3Error, statusOf } from './s3-errors.ts'
import { uploadParts } from './s3-parts.ts'

/** What an upload holds in memory at most, in parts that are on their way; one part is the least. */
const uploadWindowBytes = 16 * 1024 * 1024
const maxPartsInFlight = 4
/** How often the reading of a body goes on after its connection broke; requests themselves are retried by the SDK. */
const bodyRetries = 4

/** The bucket of the settings; connects with the first operation. */
export function openS3Bucket(settings: S3Settings, logger?: Logger): Bucket {
  return new S3Bucket(createS3Client(settings, logger), settings, logger)
}

class S3Bucket implements Bucket {
  readonly description: string
  readonly #client: S3Client
  readonly #settings: S3Settings
  /** The customer's key has to come with each request, the other kinds of encryption with writes alone. */
  readonly #readParams: ReadParams
  readonly #writeParams: WriteParams
  readonly #logger: Logger | undefined
  #knowsConditions = true

  constructor(client: S3Client, settings: S3Settings, logger: Logger | undefined) {
    this.#client = client
    this.#logger = logger
    this.#settings = settings
    this.description = `s3://${settings.bucket} at ${settings.endpoint ?? `amazonaws.com, ${settings.region}`}`
    this.#readParams = readParams(settings.encryption)
    this.#writeParams = { ...putParams(settings.put), ...encryptionParams(settings.encryption) }
  }

  async *list(
    folder: string,
    { recursive = false, signal }: { recursive?: boolean; signal?: AbortSignal } = {},
  ): AsyncGenerator<ListedObject> {
    const prefix = folderPrefix(folder)
    let after: string | undefined
    do {
      throwIfAborted(signal, `list ${this.#url(prefix)}`)
      const page = await this.#page({ prefix, recursive, after, signal })
      // Some servers keep an object for a folder that was made by hand: it is no object of ours.
      for (const object of page.entries.sort(compareListed)) {
        const isFolderObject = object.name.endsWith('/') && object.sizeBytes !== undefined
        if (object.name !== prefix && !isFolderObject) yield object
      }
      after = page.next
    } while (after !== undefined)
  }

  async #page(at: PageRequest): Promise<{ entries: ListedObject[]; next: string | undefined }> {
    const params = {
      Bucket: this.#settings.bucket,
      Prefix: at.prefix,
      ...(!at.recursive && { Delimiter: '/' }),
    }
    const options = abortOptions(at.signal)
    try {
      if (this.#settings.listV1) {
        const marker = at.after === undefined ? {} : { Marker: at.after }
        const page = await this.#client.send(new ListObjectsCommand({ ...params, ...marker }), options)
        const entries = listedOf(page)
        // NextMarker comes only with a delimiter: the last name does as well.
        return { entries, next: page.IsTruncated ? (page.NextMarker ?? lastName(entries)) : undefined }
      }
      const token = at.after === undefined ? {} : { ContinuationToken: at.after }
      const page = await this.#client.send(new ListObjectsV2Command({ ...params, ...token }), options)
      return { entries: listedOf(page), next: page.IsTruncated ? page.NextContinuationToken : undefined }
    } catch (error) {
      throw s3Error(error, `list ${this.#url(at.prefix)}`, at.signal)
    }
  }

  async get(name: string, signal?: AbortSignal): Promise<Readable> {
    const first = await this.#getObject(name, {}, signal)
    return Readable.from(this.#readBody(name, first, signal), { objectMode: false, highWaterMark: 256 * 1024 })
  }

  // Where a connection breaks in the middle of a body, the rest is asked for, of the same version of the object.
  async *#readBody(
    name: string,
    first: GetObjectCommandOutput,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<Uint8Array> {
    let answer = first
    let offset = 0
    for (let broken = 0; ; ) {
      try {
        for await (const chunk of bodyOf(answer, signal)) {
          yield chunk
          offset += chunk.length
          broken = 0
        }
        return
      } catch (error) {
        const known = s3Error(error, `read ${this.#url(name)} at offset ${offset}`, signal)
        if (!known.retryable || ++broken > bodyRetries) throw known
        if (first.ContentLength !== undefined && offset >= first.ContentLength) return
        await backoff(broken, `read ${this.#url(name)}`, signal)
        const rest = { Range: `bytes=${offset}-`, ...(first.ETag && { IfMatch: first.ETag }) }
        answer = await this.#getObject(name, rest, signal)
      }
    }
  }

  async getRange(name: string, offset: number, length: number, signal?: AbortSignal): Promise<Uint8Array> {
    checkRange(name, offset, length)
    // S3 knows no empty range: one byte, to learn whether the object is there.
    const range = { Range: `bytes=${offset}-${offset + Math.max(1, length) - 1}` }
    for (let broken = 0; ; ) {
      const answer = await this.#getObject(name, range, signal)
      if (answer.Body === undefined) return new Uint8Array(0)
      try {
        return (await collect(answer, Math.max(1, length), signal)).subarray(0, length)
      } catch (error) {
        const known = s3Error(error, `read ${this.#url(name)} at offset ${offset}`, signal)
        if (!known.retryable || ++broken > bodyRetries) throw known
        await backoff(broken, `read ${this.#url(name)}`, signal)
      }
    }
  }

  /** An answer without a body where the range begins beyond the object's end. */
  async #getObject(
    name: string,
    params: Pick<GetObjectCommandInput, 'Range' | 'IfMatch'>,
    signal: AbortSignal | undefined,
  ): Promise<GetObjectCommandOutput> {
    const what = `read ${this.#url(name)}`
    const input = { ...this.#object(name), ...this.#readParams, ...params }
    try {
      return await this.#client.send(new GetObjectCommand(input), abortOptions(signal))
    } catch (error) {
      const status = statusOf(error)
      if (status === 416) return { $metadata: { httpStatusCode: status } }
      if (status === 412 && params.IfMatch !== undefined)
        throw new MnemoError('unavailable', `cannot ${what}: it was replaced meanwhile`, { cause: error })
      throw s3Error(error, what, signal)
    }
  }

  async exists(name: string, signal?: AbortSignal): Promise<boolean> {
    try {
      await this.attributes(name, signal)
      return true
    } catch (error) {
      if (error instanceof MnemoError && error.code === 'not_found') return false
      throw error
    }
  }

  async attributes(name: string, signal?: AbortSignal): Promise<ObjectAttributes> {
    const what = `look at ${this.#url(name)}`
    const input = { ...this.#object(name), ...this.#readParams }
    try {
      const head = await this.#client.send(new HeadObjectCommand(input), abortOptions(signal))
      return { sizeBytes: head.ContentLength ?? 0, lastModifiedMs: head.LastModified?.getTime() ?? 0 }
    } catch (error) {
      throw s3Error(error, what, signal)
    }
  }

  async upload(name: string, body: ObjectBody, signal?: AbortSignal): Promise<void> {
    if (body instanceof LocalFile) return body.read((bytes) => this.#upload(name, bytes, signal))
    return this.#upload(name, body, signal)
  }

  async #upload(name: string, body: Readable | Uint8Array, signal: AbortSignal | undefined): Promise<void> {
    const what = `upload ${this.#url(name)}`
    throwIfAborted(signal, what)
    const object = this.#object(name)
    const isSmall = body instanceof Uint8Array && body.length <= this.#settings.partSizeBytes
    try {
      if (isSmall) {
        const input = { ...object, ...this.#writeParams, Body: body }
        await this.#client.send(new PutObjectCommand(input), abortOptions(signal))
      } else await this.#uploadParts(body instanceof Uint8Array ? Readable.from([body]) : body, object, signal)
    } catch (error) {
      throw s3Error(error, what, signal)
    }
  }

  // An abort ends the requests in flight and the source.
  async #uploadParts(source: Readable, object: ObjectName, signal: AbortSignal | undefined): Promise<void> {
    const { partSizeBytes } = this.#settings
    const maxInFlight = Math.max(1, Math.min(maxPartsInFlight, Math.floor(uploadWindowBytes / partSizeBytes)))
    const upload = { client: this.#client, object, partSizeBytes, maxInFlight }
    const body = abortable(source, signal)
    try {
      await uploadParts(body, { ...upload, params: this.#writeParams, partParams: this.#readParams }, signal)
    } finally {
      body.destroy()
    }
  }

  async putIfAbsent(name: string, body: Uint8Array, signal?: AbortSignal): Promise<void> {
    const taken = `cannot create ${this.#url(name)}: it is already there`
    // Asked first: a server that does not know the condition would overwrite.
    if (await this.exists(name, signal)) throw new MnemoError('already_exists', taken)
    const input = { ...this.#object(name), ...this.#writeParams, Body: body, IfNoneMatch: '*' }
    try {
      await this.#client.send(new PutObjectCommand(input), abortOptions(signal))
    } catch (error) {
      const known = s3Error(error, `create ${this.#url(name)}`, signal)
      if (known.code === 'unsupported') return this.#putUnconditionally(name, body, signal)
      if (known.code !== 'already_exists') throw known
      // The answer to a first attempt may have been lost: then the object that is in the way is ours.
      if (attemptsOf(error) > 1 && (await this.#holds(name, body, signal))) return
      throw new MnemoError('already_exists', taken, { cause: error })
    }
  }

  /** Of two that race one is lost then; nothing but the compactor's lease minds. */
  async #putUnconditionally(name: string, body: Uint8Array, signal: AbortSignal | undefined): Promise<void> {
    if (this.#knowsConditions) this.#logger?.warn('the S3 server knows no conditional put: objects are put without')
    this.#knowsConditions = false
    await this.upload(name, body, signal)
  }

  async #holds(name: string, body: Uint8Array, signal: AbortSignal | undefined): Promise<boolean> {
    const there = await this.getRange(name, 0, body.length + 1, signal)
    return Buffer.compare(there, body) === 0
  }

  async delete(name: string, signal?: AbortSignal): Promise<void> {
    checkObjectName(name.endsWith('/') ? name.slice(0, -1) : name)
    try {
      const input = { Bucket: this.#settings.bucket, Key: name }
      await this.#client.send(new DeleteObjectCommand(input), abortOptions(signal))
    } catch (error) {
      const known = s3Error(error, `delete ${this.#url(name)}`, signal)
      if (known.code !== 'not_found') throw known
    }
  }

  async close(): Promise<void> {
    this.#client.destroy()
  }

  #object(name: string): ObjectName {
    checkObjectName(name)
    return { Bucket: this.#settings.bucket, Key: name }
  }

  #url(name: string): string {
    return `s3://${this.#settings.bucket}/${name}`
  }
}

interface ObjectName {
  readonly Bucket: string
  readonly Key: string
}

interface PageRequest {
  readonly prefix: string
  readonly recursive: boolean
  readonly after: string | undefined
  readonly signal: AbortSignal | undefined
}

type ReadParams = Pick<GetObjectCommandInput, 'SSECustomerAlgorithm' | 'SSECustomerKey'>
type WriteParams = Omit<PutObjectCommandInput, 'Bucket' | 'Key' | 'Body'>

function readParams(encryption: Encryption): ReadParams {
  if (encryption.type !== 'SSE-C') return {}
  return { SSECustomerAlgorithm: 'AES256', SSECustomerKey: Buffer.from(encryption.key) as unknown as string }
}

function encryptionParams(encryption: Encryption): WriteParams {
  switch (encryption.type) {
    case 'none':
      return {}
    case 'SSE-S3':
      return { ServerSideEncryption: 'AES256' }
    case 'SSE-KMS':
      return {
        ServerSideEncryption: 'aws:kms',
        SSEKMSKeyId: encryption.keyId,
        SSEKMSEncryptionContext: encryption.context,
      }
    case 'SSE-C':
      return readParams(encryption)
  }
}

function putParams(put: PutSettings): WriteParams {
  return {
    ...(Object.keys(put.metadata).length > 0 && { Metadata: { ...put.metadata } }),
    ...(put.storageClass && { StorageClass: put.storageClass as NonNullable<WriteParams['StorageClass']> }),
    ...(put.acl && { ACL: put.acl as NonNullable<WriteParams['ACL']> }),
  }
}

type Page = Pick<ListObjectsV2CommandOutput, 'Contents' | 'CommonPrefixes'>

function listedOf(page: Page): ListedObject[] {
  const objects = (page.Contents ?? []).map(({ Key, Size, LastModified }) => ({
    name: Key ?? '',
    sizeBytes: Size ?? 0,
    lastModifiedMs: LastModified?.getTime() ?? 0,
  }))
  const folders = (page.CommonPrefixes ?? []).map(({ Prefix }) => ({ name: Prefix ?? '' }))
  return [...objects, ...folders]
}

function lastName(entries: readonly ListedObject[]): string | undefined {
  return [...entries].sort(compareListed).at(-1)?.name
}

function bodyOf(answer: GetObjectCommandOutput, signal: AbortSignal | undefined): AsyncIterable<Buffer> {
  const body = answer.Body
  if (!(body instanceof Readable)) throw new MnemoError('internal', 'cannot read an answer of S3: it has no body')
  const onAbort = () => body.destroy(new Error('aborted'))
  if (signal?.aborted) onAbort()
  signal?.addEventListener('abort', onAbort, { once: true })
  body.once('close', () => signal?.removeEventListener('abort', onAbort))
  return body
}

/** The body of an answer; more than was asked for is a server that does not know ranges. */
async function collect(
  answer: GetObjectCommandOutput,
  length: number,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  const announced = Math.min(length, answer.ContentLength ?? length)
  const bytes = new Uint8Array(Buffer.allocUnsafeSlow(announced).buffer)
  let filled = 0
  for await (const chunk of bodyOf(answer, signal)) {
    if (filled + chunk.length > announced)
      throw new MnemoError('unsupported', `cannot read a range: got more than ${announced} bytes, want a 206 answer`)
    bytes.set(chunk, filled)
    filled += chunk.length
    giveBack(chunk)
  }
  if (filled === announced) return bytes
  throw new MnemoError('unavailable', `cannot read a range: got ${filled} bytes, want the ${announced} announced`)
}

/** What came from the socket and fills its memory alone: garbage of this size would wait for a collection that comes late. */
function giveBack({ buffer, length }: Buffer): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength === length) buffer.transfer(0)
}

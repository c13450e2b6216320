// Copies a whole block from one bucket to another: all its objects, and meta.json last, which makes it a block there.
// Order: Thanos pkg/replicate/scheme.go. Marks against compaction and downsampling go with it, one for deletion does not.
// Owns the checks: a block that is not whole is not copied, and what is there already is not copied again.
import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { forEachBounded } from '../kit/bounded.ts'
import { MnemoError } from '../kit/errors.ts'
import type { Bucket, ListedObject } from '../objstore/bucket.ts'
import { markFileNames } from './markers.ts'
import { type BlockMeta, metaFileName } from './meta.ts'
import { maxMetaBytes } from './meta-parse.ts'

const objectsInFlight = 4

export interface CopyOptions {
  /** The block must be whole by its meta: else it is not copied. Without, what there is of it is. */
  readonly whole?: BlockMeta
  /** Every object is read back from the target and compared byte for byte (by SHA-256), before meta.json is put there. */
  readonly readBack?: boolean
  readonly signal?: AbortSignal | undefined
  /** Called for each object that was copied. */
  readonly onObject?: (name: string, sizeBytes: number) => void
}

export interface CopiedBlock {
  /** False: the target has the whole block already. */
  readonly copied: boolean
  readonly objects: number
  readonly bytes: number
}

/**
 * Copies the block. Throws `corrupt` where `whole` asks for objects that are missing or of another size (nothing is written
 * then), or where one reads back otherwise; `already_exists` where the target has a block of that ULID with another meta.json.
 */
export async function copyBlock(
  from: Bucket,
  to: Bucket,
  ulid: string,
  options: CopyOptions = {},
): Promise<CopiedBlock> {
  const { signal, onObject } = options
  const metaName = `${ulid}/${metaFileName}`
  const metaBytes = await from.getRange(metaName, 0, maxMetaBytes + 1, signal)
  const there = await readIfThere(to, metaName, signal)
  if (there && Buffer.compare(there, metaBytes) !== 0)
    throw new MnemoError('already_exists', `cannot copy block ${ulid}: the target has it with another meta.json`)
  if (there && !options.readBack) return { copied: false, objects: 0, bytes: 0 }
  const objects = await listObjects(from, ulid, options)
  let bytes = 0
  await forEachBounded(objects, objectsInFlight, async ({ name, sizeBytes = 0 }) => {
    if (!(await copyObject(from, to, { name, sizeBytes, readBack: options.readBack === true, signal }))) return
    bytes += sizeBytes
    onObject?.(name, sizeBytes)
  })
  if (there) return { copied: false, objects: 0, bytes }
  await to.upload(metaName, metaBytes, signal)
  const back = await to.getRange(metaName, 0, maxMetaBytes + 1, signal)
  if (Buffer.compare(back, metaBytes) !== 0) throw differs(metaName)
  return { copied: true, objects: objects.length + 1, bytes: bytes + metaBytes.length }
}

async function readIfThere(
  bucket: Bucket,
  name: string,
  signal: AbortSignal | undefined,
): Promise<Uint8Array | undefined> {
  try {
    return await bucket.getRange(name, 0, maxMetaBytes + 1, signal)
  } catch (error) {
    if (error instanceof MnemoError && error.code === 'not_found') return undefined
    throw error
  }
}

/** The block's objects but meta.json and a deletion mark. */
async function listObjects(from: Bucket, ulid: string, { whole, signal }: CopyOptions): Promise<ListedObject[]> {
  const listed = await listFiles(from, ulid, signal)
  const [problem] = whole ? objectProblems(whole, listed) : []
  if (problem !== undefined) throw new MnemoError('corrupt', `cannot copy block ${ulid}: ${problem}`)
  for (const left of [metaFileName, markFileNames.deletion]) listed.delete(left)
  return [...listed.values()]
}

/** The objects of a block by their path below its folder. */
export async function listFiles(
  bucket: Bucket,
  ulid: string,
  signal?: AbortSignal,
): Promise<Map<string, ListedObject>> {
  const listed = new Map<string, ListedObject>()
  for await (const object of bucket.list(`${ulid}/`, { recursive: true, ...(signal && { signal }) })) {
    const relPath = object.name.slice(ulid.length + 1)
    if (!relPath.endsWith('/') && relPath !== '') listed.set(relPath, object)
  }
  return listed
}

/** What is wrong with a block's objects, by their path below its folder; nothing: []. */
export function objectProblems(
  meta: BlockMeta,
  listed: ReadonlyMap<string, { readonly sizeBytes?: number }>,
): string[] {
  const problems: string[] = []
  const { files, segmentFiles } = meta.thanos
  const wanted = new Map<string, number | undefined>([['index', undefined]])
  for (const segment of segmentFiles) wanted.set(`chunks/${segment}`, undefined)
  for (const { relPath, sizeBytes } of files) wanted.set(relPath, sizeBytes)
  for (const [relPath, wantBytes] of wanted) {
    if (relPath === metaFileName) continue
    const gotBytes = listed.get(relPath)?.sizeBytes
    if (!listed.has(relPath)) problems.push(`${relPath} is missing`)
    else if (wantBytes !== undefined && gotBytes !== undefined && gotBytes !== wantBytes)
      problems.push(`${relPath} has ${gotBytes} bytes, want ${wantBytes}`)
  }
  if (meta.stats.numChunks > 0 && ![...listed.keys()].some((relPath) => relPath.startsWith('chunks/')))
    problems.push('it has no chunks')
  return problems
}

interface ObjectCopy {
  readonly name: string
  readonly sizeBytes: number
  readonly readBack: boolean
  readonly signal: AbortSignal | undefined
}

/** Whether it had to be copied: an object of that size is taken for it, unless all is read back. */
async function copyObject(
  from: Bucket,
  to: Bucket,
  { name, sizeBytes, readBack, signal }: ObjectCopy,
): Promise<boolean> {
  const thereBytes = await sizeIfThere(to, name, signal)
  if (thereBytes === sizeBytes) {
    if (!readBack) return false
    if ((await digestOf(from, name, signal)) === (await digestOf(to, name, signal))) return false
  }
  const hash = createHash('sha256')
  const source = await from.get(name, signal)
  async function* hashed() {
    for await (const piece of source) {
      hash.update(piece as Uint8Array)
      yield piece
    }
  }
  try {
    await to.upload(name, Readable.from(hashed(), { objectMode: false }), signal)
  } finally {
    source.destroy()
  }
  const copiedBytes = (await to.attributes(name, signal)).sizeBytes
  if (copiedBytes !== sizeBytes) throw differs(name)
  if (readBack && hash.digest('hex') !== (await digestOf(to, name, signal))) throw differs(name)
  return true
}

async function sizeIfThere(bucket: Bucket, name: string, signal: AbortSignal | undefined): Promise<number | undefined> {
  try {
    return (await bucket.attributes(name, signal)).sizeBytes
  } catch (error) {
    if (error instanceof MnemoError && error.code === 'not_found') return undefined
    throw error
  }
}

async function digestOf(bucket: Bucket, name: string, signal: AbortSignal | undefined): Promise<string> {
  const hash = createHash('sha256')
  for await (const piece of await bucket.get(name, signal)) hash.update(piece as Uint8Array)
  return hash.digest('hex')
}

function differs(name: string): MnemoError {
  return new MnemoError('corrupt', `cannot copy ${name}: the copy reads back with other bytes`)
}
